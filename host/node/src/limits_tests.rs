//! `docs/limits.md`: its tables are those of the code. `UPDATE_GOLDEN=1` writes them again: read what changed.

use std::fs;
use std::path::Path;

use flowgate_api::quota::TABLE;

/// The limits that settings change, with the name of the setting.
const SETTINGS: [(&str, &str); 7] = [
    ("CONNECTIONS_MAX", "limits.connections"),
    ("CONNECTIONS_OF_ADDRESS_MAX", "limits.connections_of_address"),
    ("CHECK_WITHIN", "limits.check_within"),
    ("STREAMS_OF_TENANT_MAX", "limits.streams_of_tenant"),
    ("STOP_WITHIN", "limits.stop_within"),
    ("NODE_REQUESTS_PER_S", "limits.requests_per_s"),
    ("CHECKPOINT_EVERY", "jobs.checkpoint_every"),
];

/// A number as people read it: `1,024`, `2 GiB`.
fn shown(value: f64, unit: &str) -> String {
    if unit == "bytes" {
        let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let whole = units.into_iter().find(|(size, _)| value as u64 >= *size && (value as u64).is_multiple_of(*size));
        return whole.map_or(format!("{value} B"), |(size, name)| format!("{} {name}", value as u64 / size));
    }
    let digits = format!("{value}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    if digits.contains('.') { digits } else { groups.join(",") }
}

fn quotas() -> String {
    let mut rows =
        String::from("| quota | default | unit | of what | why | at the limit |\n|---|---|---|---|---|---|\n");
    for of in TABLE {
        let default = shown(of.default, of.unit);
        rows +=
            &format!("| `{}` | {default} | {} | {} | {} | {} |\n", of.name, of.unit, of.what, of.reason, of.at_limit);
    }
    rows
}

/// What an expression of the file says: a number, a shift, or a time.
fn value(expression: &str, name: &str) -> String {
    let number = |text: &str| text.trim().replace('_', "").parse::<f64>().unwrap();
    if let Some(seconds) = expression.strip_prefix("Duration::from_secs(") {
        return format!("{} s", shown(number(seconds.trim_end_matches(')')), "s"));
    }
    let of = match expression.split_once("<<") {
        Some((factor, shift)) => number(factor) * 2f64.powf(number(shift)),
        None => number(expression),
    };
    match name {
        name if name.contains("_BYTES_") => shown(of, "bytes"),
        name if name.ends_with("_MS") => format!("{} ms", shown(of, "ms")),
        _ => shown(of, ""),
    }
}

fn of_node() -> String {
    let mut rows = String::from("| limit | value | of what | setting |\n|---|---|---|---|\n");
    let mut about: Vec<&str> = Vec::new();
    for line in include_str!("limits.rs").lines() {
        if let Some(text) = line.strip_prefix("/// ") {
            about.push(text);
            continue;
        }
        let constant = line.split_once("const ").filter(|(before, _)| before.is_empty() || *before == "pub(crate) ");
        if let Some((name, expression)) = constant.and_then(|(_, rest)| rest.split_once(": "))
            && let Some((_, expression)) = expression.trim_end_matches(';').split_once(" = ")
        {
            let setting =
                SETTINGS.iter().find(|(of, _)| *of == name).map_or(String::new(), |(_, name)| format!("`{name}`"));
            rows += &format!("| `{name}` | {} | {} | {setting} |\n", value(expression, name), about.join(" "));
        }
        about.clear();
    }
    rows
}

/// Puts a table in the place of the one behind its mark.
fn with_table(page: &str, mark: &str, table: &str) -> String {
    let mark = format!("<!-- {mark} -->\n");
    let (before, rest) = page.split_once(&mark).unwrap_or_else(|| panic!("the page has no {mark}"));
    let behind = rest.trim_start_matches('\n');
    let behind =
        behind.lines().skip_while(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect::<String>();
    format!("{before}{mark}\n{table}\n{}", behind.trim_start_matches('\n'))
}

#[test]
fn the_page_has_the_tables_of_the_code() {
    for (name, _) in SETTINGS {
        assert!(of_node().contains(&format!("| `{name}` |")), "there is no limit {name}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/limits.md");
    let page = fs::read_to_string(&path).unwrap();
    let expected = with_table(&with_table(&page, "quotas", &quotas()), "limits of the node", &of_node());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn numbers_are_shown_with_their_units() {
    assert_eq!((shown(20.0, "jobs").as_str(), shown(10_000.0, "events").as_str()), ("20", "10,000"));
    assert_eq!((shown(1.5, "cores").as_str(), shown(512.0 * 1048576.0, "bytes").as_str()), ("1.5", "512 MiB"));
    assert_eq!(
        (value("16 << 10", "HEAD_BYTES_MAX").as_str(), value("Duration::from_secs(3_600)", "X").as_str()),
        ("16 KiB", "3,600 s")
    );
}

//! Normalises texts that differ only in white space and letter case.

use flowgate_sdk::{Columns, Output, Row, TextBuilder};

use crate::words::Text;

/// Settings of `normalise`.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct NormaliseConfig {
    /// Whether texts come in lower case.
    #[serde(default)]
    pub lower_case: bool,
}

/// The normalised text; the input's other columns are forwarded.
#[derive(Debug, Row)]
#[row(passthrough)]
pub struct Normalised<'a> {
    /// Without white space around it, and with one blank for each run of white space in it.
    pub text: &'a str,
}

/// Trims `text` and makes each run of white space in it one blank; in lower case where the config says so.
#[flowgate_sdk::transform(columns)]
pub fn normalise<'a>(texts: Columns<'a, Text<'a>>, config: &NormaliseConfig, out: &mut Output<Normalised<'a>>) {
    out.select_all();
    for text in texts.text.iter() {
        append_normalised(text, config.lower_case, &mut out.columns.text);
    }
}

fn append_normalised(text: &str, lower_case: bool, column: &mut TextBuilder) {
    let mut first = true;
    for word in text.split_whitespace() {
        if !first {
            column.append(" ");
        }
        first = false;
        match (lower_case, word.is_ascii()) {
            (false, _) => column.append(word),
            (true, true) => column.append_ascii_lowercase(word),
            (true, false) => column.append(&word.to_lowercase()),
        }
    }
    column.end_value();
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::run;

    fn normalised(config: &str, text: &str) -> String {
        let out = run::<normalise, _>(config, [Text { text }]).unwrap();
        out.rows::<Normalised>()[0].text.to_owned()
    }

    #[test]
    fn white_space_of_any_kind() {
        assert_eq!(normalised("{}", "  Two\t\r\n words\u{a0}\u{2003}here "), "Two words here");
        assert_eq!(normalised("{}", " \n"), "");
        assert_eq!(normalised("{}", "as it is"), "as it is");
    }

    #[test]
    fn lower_case() {
        assert_eq!(normalised(r#"{"lower_case": true}"#, "GRÜẞE  an ALLE"), "grüße an alle");
    }
}

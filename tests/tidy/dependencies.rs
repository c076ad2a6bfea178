//! Every dependency of the workspace has its reason.

use crate::repository::File;

const SECTION: &str = "[workspace.dependencies]";

pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path == "Cargo.toml") {
        let within = file.lines().skip_while(|(_, line)| line.trim() != SECTION).skip(1);
        for (number, line) in within.take_while(|(_, line)| !line.starts_with('[')) {
            let Some((name, rest)) = line.split_once('=') else { continue };
            if !name.starts_with('#') && !rest.contains("# ") {
                let name = name.trim();
                wrong.push(format!(
                    "Cargo.toml:{number}: `{name}` has no reason; add `# what it does for us` to the line"
                ));
            }
        }
    }
    wrong
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let text = "[workspace.package]\na = 1\n[workspace.dependencies]\n# A group.\na = \"1\"  # it does a\nb = \"1\"\n[profile.dev]\nc = 1\n";
    assert_eq!(check(&[File::new("Cargo.toml", text)]).len(), 1);
    assert_eq!(check(&[File::new("Cargo.toml", &text.replace("b =", "# b ="))]).len(), 0);
}

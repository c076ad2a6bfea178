//! What only a feature of the program needs is not in the program without it.

use std::path::Path;
use std::process::Command;

/// Beginnings of the names of crates, and the feature that has them.
const OF_FEATURES: [(&str, &str); 3] =
    [("opentelemetry", "otel"), ("tracing-opentelemetry", "otel"), ("tracing-subscriber", "otel")];

/// Returns the packages of the program with its default features, a line each.
fn packages() -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--package", "flowgate-cli", "--edges", "normal,build", "--prefix", "none", "--offline"]);
    let tree = cargo.current_dir(top).output().expect("cargo can be run");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).expect("names are text")
}

fn check(packages: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, feature) in OF_FEATURES {
        if let Some(found) = packages.lines().find(|line| line.starts_with(name)) {
            wrong.push(format!("the program has `{found}` without its feature `{feature}`; make it `optional = true`"));
        }
    }
    wrong
}

#[test]
fn what_a_feature_needs_is_not_there_without_it() {
    let packages = packages();
    assert!(packages.lines().any(|line| line.starts_with("flowgate-node ")), "{packages}");
    let wrong = check(&packages);
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n"));
}

#[test]
fn a_package_without_its_feature_is_found() {
    assert_eq!(check("flowgate-cli v0.1.0\nopentelemetry-otlp v0.33.1 (*)\ntracing v0.1.44\n").len(), 1);
    assert_eq!(check("flowgate-cli v0.1.0\ntracing v0.1.44\n").len(), 0);
}

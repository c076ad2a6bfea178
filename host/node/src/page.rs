//! The page at `/`: static files, part of the program. Their sources are in `host/node/page/`.
//!
//! The page holds no data. It asks the API with a token that somebody types, so everybody may read its files. Its policy lets it
//! load and ask nothing but this node, and run no script that is not one of these files.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A file of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageFile {
    /// Its path, with `/` first.
    pub(crate) path: &'static str,
    /// Its media type.
    pub(crate) content_type: &'static str,
    /// Its content.
    pub(crate) bytes: &'static [u8],
    /// Its entity tag, quoted: it changes with the content.
    pub(crate) etag: String,
}

/// Headers of every response of the node, the page's and the API's: what a browser may do with them.
pub(crate) const SECURITY_HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// `cache-control` of the page's files: a browser keeps them, and asks by the entity tag whether they have changed.
pub(crate) const CACHE_FILES: &str = "no-cache";

/// `cache-control` of all data.
pub(crate) const CACHE_DATA: &str = "no-store";

macro_rules! files {
    ($($path:literal,)*) => {
        &[$((concat!("/", $path), include_bytes!(concat!("../page/", $path))),)*]
    };
}

/// The files. A test compares them with the folder.
const FILES: &[(&str, &[u8])] = files![
    "icon.svg",
    "index.html",
    "page.css",
    "js/api.js",
    "js/dialog.js",
    "js/dom.js",
    "js/download.js",
    "js/format.js",
    "js/graph.js",
    "js/icons.js",
    "js/layout.js",
    "js/main.js",
    "js/notices.js",
    "js/operations.js",
    "js/parts.js",
    "js/phase.js",
    "js/poll.js",
    "js/rates.js",
    "js/router.js",
    "js/session.js",
    "js/shell.js",
    "js/spark.js",
    "js/standing.js",
    "js/stream.js",
    "js/table.js",
    "js/views/canary_report.js",
    "js/views/job.js",
    "js/views/job_actions.js",
    "js/views/job_canary.js",
    "js/views/job_checkpoints.js",
    "js/views/job_document.js",
    "js/views/job_explain.js",
    "js/views/job_history.js",
    "js/views/job_logs.js",
    "js/views/job_operators.js",
    "js/views/job_overview.js",
    "js/views/job_records.js",
    "js/views/job_swap.js",
    "js/views/job_tap.js",
    "js/views/jobs.js",
    "js/views/login.js",
    "js/views/plugin.js",
    "js/views/plugins.js",
    "js/views/quotas.js",
    "js/views/secrets.js",
    "js/views/submit.js",
    "js/views/swap_result.js",
    "js/views/tenants.js",
    "js/views/tokens.js",
];

static TABLE: LazyLock<Vec<PageFile>> =
    LazyLock::new(|| FILES.iter().map(|(path, bytes)| page_file(path, bytes)).collect());

/// Returns the file of a path; `/` is the page itself.
pub(crate) fn find(path: &str) -> Option<&'static PageFile> {
    let path = if path == "/" { "/index.html" } else { path };
    TABLE.iter().find(|file| file.path == path)
}

/// Returns all files.
pub(crate) fn all() -> &'static [PageFile] {
    &TABLE
}

fn page_file(path: &'static str, bytes: &'static [u8]) -> PageFile {
    let content_type = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let digest = HEXLOWER.encode(&Sha256::digest(bytes)[..16]);
    PageFile { path, content_type, bytes, etag: format!("\"{digest}\"") }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("page")
    }

    fn collect(folder: &Path, top: &Path, paths: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, top, paths);
            } else {
                paths.push(format!("/{}", path.strip_prefix(top).unwrap().display()));
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_part_of_the_program() {
        let mut there = Vec::new();
        collect(&folder(), &folder(), &mut there);
        there.sort();
        let mut known: Vec<String> = all().iter().map(|file| file.path.to_owned()).collect();
        known.sort();
        assert_eq!(known, there);
    }

    #[test]
    fn each_file_has_a_media_type_and_a_tag_of_its_own() {
        for file in all() {
            assert_ne!(file.content_type, "application/octet-stream", "{}", file.path);
            assert_eq!(file.etag.len(), 34, "{}", file.path);
            assert_eq!(all().iter().filter(|other| other.etag == file.etag).count(), 1, "{}", file.path);
        }
        assert_eq!(find("/").map(|file| file.path), Some("/index.html"));
        assert_eq!(find("/js/../index.html"), None);
    }

    /// Nothing of the page makes markup or code from text, and nothing is inline: a tenant's names cannot become either.
    #[test]
    fn no_file_makes_markup_or_code_from_text() {
        let words =
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"];
        for file in all() {
            let text = std::str::from_utf8(file.bytes).unwrap();
            for word in words {
                assert!(!text.contains(word), "{} has {word}", file.path);
            }
            if file.path.ends_with(".html") {
                assert!(!text.contains(" style=") && !text.contains("<style"), "{} has an inline style", file.path);
                assert_eq!(text.matches("<script").count(), text.matches("<script type=\"module\" src=").count());
            }
        }
    }

    /// A file is loaded by its path alone: an import of a file that is not there would be a page without a view.
    #[test]
    fn every_import_is_a_file_of_the_page() {
        for file in all().iter().filter(|file| file.path.ends_with(".js")) {
            let text = std::str::from_utf8(file.bytes).unwrap();
            let here = Path::new(file.path).parent().unwrap();
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let from = line.split('"').nth(1).unwrap_or_else(|| panic!("{}: {line}", file.path));
                let path = match from.strip_prefix("../") {
                    Some(rest) => here.parent().unwrap().join(rest),
                    None => here.join(from.trim_start_matches("./")),
                };
                assert!(find(path.to_str().unwrap()).is_some(), "{} imports {}", file.path, path.display());
            }
        }
    }
}

//! The difference of two texts, line by line, for people.

/// Lines of context around a difference.
const CONTEXT: usize = 2;
/// Maximum lines shown; further ones are counted.
const LINES_MAX: usize = 60;
/// Maximum cells of the table of common lines; beyond, the differing middle is shown whole.
const CELLS_MAX: usize = 4_000_000;

/// Returns `None` where the texts are equal; otherwise lines with `-` that only `expected` has, with `+` that only `found` has.
pub(super) fn diff(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = edits(&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut lines: Vec<String> = Vec::new();
    let from = head.saturating_sub(CONTEXT);
    if from > 0 {
        lines.push(format!("  ... {from} equal lines"));
    }
    lines.extend(old[from..head].iter().map(|line| format!("  {line}")));
    lines.extend(middle.iter().map(|(mark, line)| format!("{mark} {line}")));
    lines.extend(old[old.len() - tail..].iter().take(CONTEXT).map(|line| format!("  {line}")));
    if old == new {
        lines.push("  the line end at the end of the file differs".into());
    }
    if lines.len() > LINES_MAX {
        let rest = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("  ... and {rest} lines more"));
    }
    Some(lines.join("\n"))
}

/// Returns the lines of both, marked, with the greatest number of lines in common.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    if (old.len() + 1).saturating_mul(new.len() + 1) > CELLS_MAX {
        return old.iter().map(|l| ('-', *l)).chain(new.iter().map(|l| ('+', *l))).collect();
    }
    // common[i][j]: the number of lines in common of old[i..] and new[j..].
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut edits = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            edits.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            edits.push(('-', old[i]));
            i += 1;
        } else {
            edits.push(('+', new[j]));
            j += 1;
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn equal_texts_have_none() {
        assert_eq!(diff("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn changed_added_and_removed_lines_are_marked() {
        let old = "1\n2\n3\n4\n5\n6\n7\n";
        let new = "1\n2\n3\nfour\n5\n5b\n7\n";
        assert_eq!(diff(old, new).unwrap(), "  ... 1 equal lines\n  2\n  3\n- 4\n+ four\n  5\n- 6\n+ 5b\n  7");
    }

    #[test]
    fn a_missing_line_end_is_told() {
        assert!(diff("a\n", "a").unwrap().contains("line end"));
    }
}

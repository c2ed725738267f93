//! Tables as aligned text.

/// Text without control characters, which names of folders may have: none reaches a terminal, and a line stays one.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Lines of a table: columns two spaces apart, those of numbers to the right. A column without any text is left
/// out with its head. Text is made [`plain`].
pub(super) fn aligned(head: &[&str], rows: &[Vec<String>], numbers: &[bool]) -> Vec<String> {
    let plain_row = |row: &Vec<String>| row.iter().map(|cell| plain(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(plain_row).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        match longest {
            0 => 0,
            longest => longest.max(head[column].chars().count()),
        }
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (i, cell) in cells.enumerate().filter(|&(i, _)| widths[i] > 0) {
            if !text.is_empty() {
                text += "  ";
            }
            // Padding counts characters, as the widths do.
            text += &match numbers[i] {
                true => format!("{cell:>width$}", width = widths[i]),
                false => format!("{cell:<width$}", width = widths[i]),
            };
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    for row in &rows {
        lines.push(line(&mut row.iter().map(String::as_str)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "", "105.53", "é"]), row(["long", "", "9.1", "b"])];
        let head = ["run", "nothing", "loss", "x"];
        let lines = aligned(&head, &rows, &[false, false, true, false]);
        let expected = ["run     loss  x", "a     105.53  é", "long     9.1  b"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_row_is_a_line_whatever_a_name_holds() {
        let rows = [vec!["a\nb\u{1b}[2J\tc".to_owned()]];
        let lines = aligned(&["run"], &rows, &[false]);
        assert_eq!(lines, ["run", "a\u{fffd}b\u{fffd}[2J\u{fffd}c"]);
    }
}

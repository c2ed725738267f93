//! Command lines in hints.

/// A text as one word of a shell's command line, for hints that are copied from. The separator of Windows needs no quotes
/// there.
pub(crate) fn quoted(text: &str) -> String {
    let signs = if cfg!(windows) {
        r"_-./\=,:+@%"
    } else {
        "_-./=,:+@%"
    };
    let plain = |letter: char| letter.is_alphanumeric() || signs.contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell_are_quoted_where_they_have_to_be() {
        assert_eq!(
            quoted("train=x_train,test=a/b.npy"),
            "train=x_train,test=a/b.npy"
        );
        assert_eq!(quoted("my run"), "'my run'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}

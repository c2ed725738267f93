//! A page in one file: its frame, and text that stays text.

use serde::Serialize;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// A browser loads nothing from elsewhere, whatever a page holds.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// Two curves that fall.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
    %3Cpath d='M2 2q2 10 12 11' fill='none' stroke='%232f6fde' stroke-width='2.4'/%3E%3C/svg%3E";

/// Text for a page, also within an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// JSON for a script element, which no `</script>` in it can end.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    // Numbers, and maps with names as keys: nothing that JSON has no form for.
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    text.replace('<', "\\u003c")
}

/// A whole page; `body` is HTML, `classes` are those of its body. Pages may have megabytes of pictures, which are not copied.
pub(super) fn page(title: &str, classes: &str, mut body: String) -> String {
    let title = escape(title);
    let head = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"{ICON}\">\n\
         <style>\n{STYLE}</style>\n</head>\n<body class=\"{classes}\">\n"
    );
    let script = format!("<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    body.reserve(head.len() + script.len());
    body.insert_str(0, &head);
    body + &script
}

/// A choice of one of several views, by radio buttons `name-value`; the style sheet does the rest.
pub(super) fn choice(name: &str, legend: &str, values: &[&str]) -> String {
    let mut text = format!("<fieldset class=\"choice\"><legend>{legend}</legend>");
    for (i, value) in values.iter().enumerate() {
        let checked = if i == 0 { " checked" } else { "" };
        text += &format!(
            "<label><input type=\"radio\" name=\"{name}\" id=\"{name}-{value}\"{checked}>\
             <span>{value}</span></label>"
        );
    }
    text + "</fieldset>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let text = "<script>alert('a & \"b\"')</script>";
        let expected = "&lt;script&gt;alert(&#39;a &amp; &quot;b&quot;&#39;)&lt;/script&gt;";
        assert_eq!(escape(text), expected);
        assert_eq!(json(&["</script>"]), "[\"\\u003c/script>\"]");
        assert!(page(text, "", String::new()).contains(&format!("<title>{expected}</title>")));
    }
}

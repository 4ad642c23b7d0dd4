//! The words, strings and symbols that an expression is written in.

use crate::Error;

/// One of them, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lexeme<'a> {
    pub(crate) token: Token<'a>,
    /// In bytes from the start of the text.
    pub(crate) at: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Letters, digits and `_`: a keyword, a name or a number.
    Word(&'a str),
    /// What a string says, without quotes and escapes.
    Text(String),
    Symbol(&'static str),
    End,
}

/// Longer ones before those that they begin with.
const SYMBOLS: [&str; 15] =
    ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", "*", "/", "%", "+", "-"];

/// All lexemes of a text; the last is [`Token::End`].
pub(crate) fn lexemes(text: &str) -> Result<Vec<Lexeme<'_>>, Error> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if matches!(first, ' ' | '\t' | '\r' | '\n') {
            at += 1;
            continue;
        }
        let (token, length) = if is_of_word(first) {
            let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
            (Token::Word(&rest[..length]), length)
        } else if matches!(first, '\'' | '"') {
            let (content, length) = string(rest, first)
                .ok_or_else(|| Error::at(text, at, format!("the string has no closing {first}")))?;
            (Token::Text(content), length)
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            (Token::Symbol(symbol), symbol.len())
        } else {
            return Err(Error::at(text, at, format!("{first:?} has no meaning here")));
        };
        lexemes.push(Lexeme { token, at });
        at += length;
    }
    lexemes.push(Lexeme { token: Token::End, at });
    Ok(lexemes)
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What the string at the start of `text` says, and its length there.
fn string(text: &str, quote: char) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((content, at + quote.len_utf8()));
        }
        if c != '\\' {
            content.push(c);
            continue;
        }
        let (_, escaped) = chars.next()?;
        if escaped != quote {
            content.push('\\');
        }
        content.push(escaped);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        lexemes(text).unwrap().into_iter().map(|lexeme| lexeme.token).collect()
    }

    #[test]
    fn symbols_are_as_long_as_they_can_be() {
        let expected = ["<=", "<>", "<", "=", "!=", ">=", ">"].map(Token::Symbol);
        assert_eq!(tokens("<=<>< =!=>=>")[..7], expected);
    }

    #[test]
    fn a_backslash_escapes_the_own_quote_only() {
        let text = |text: &str| vec![Token::Text(text.to_owned()), Token::End];
        assert_eq!(tokens(r"'a\'b'"), text("a'b"));
        assert_eq!(tokens(r#"'a\"b"c'"#), text(r#"a\"b"c"#));
        assert_eq!(tokens(r"'a\\'"), text(r"a\\"));
        assert_eq!(tokens(r"'\ü\%'"), text(r"\ü\%"));
    }

    #[test]
    fn faults_are_placed() {
        let fault = |text: &str| {
            let error = lexemes(text).unwrap_err();
            (error.line, error.column)
        };
        assert_eq!(fault("'ü' =\n  'open"), (2, 3));
        assert_eq!(fault("'ü' ; 1"), (1, 5));
        assert_eq!(fault(r"'a\'"), (1, 1));
        assert_eq!(fault("ü"), (1, 1));
    }
}

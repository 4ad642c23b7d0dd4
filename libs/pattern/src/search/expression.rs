//! What can be looked for: regular expressions, and texts whatever their case.
//!
//! Characters are those of Unicode: `.` and `[à-ü]` take one, however many bytes it has. `\d`, `\s`, `\w` and `\b` mean
//! ASCII, since an automaton for all of Unicode's letters would be larger than what is allowed.

use std::fmt;

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    Assertion, AssertionKind, Ast, ClassBracketed, ClassPerl, ClassPerlKind, ClassSet,
    ClassSetItem, ClassSetRange, ClassSetUnion, Flag, Flags, FlagsItem, FlagsItemKind, Group,
    GroupKind, Literal, LiteralKind, Span,
};
use regex_syntax::hir::Hir;
use regex_syntax::hir::translate::TranslatorBuilder;

use crate::limits::REGEX_DEPTH_MAX;

/// Why a text is no expression that can be looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    why: String,
    /// The character it begins at; the first is 1.
    character: usize,
}

impl Unfit {
    fn new(text: &str, span: &Span, why: impl fmt::Display) -> Self {
        let before = text.get(..span.start.offset).unwrap_or(text);
        Self { why: why.to_string(), character: before.chars().count() + 1 }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at its character {}: {}", self.character, self.why)
    }
}

/// Reads a regular expression.
///
/// # Errors
/// Where it is none, or asks for what is not supported.
pub(crate) fn parse(text: &str) -> Result<Hir, Unfit> {
    let mut ast = ParserBuilder::new()
        .nest_limit(REGEX_DEPTH_MAX)
        .build()
        .parse(text)
        .map_err(|error| Unfit::new(text, error.span(), error.kind()))?;
    restrict(&mut ast).map_err(|(span, why)| Unfit::new(text, &span, why))?;
    TranslatorBuilder::new()
        .utf8(true)
        .build()
        .translate(text, &ast)
        .map_err(|error| Unfit::new(text, error.span(), error.kind()))
}

/// A text in which each character stands for its lower and its upper case, as in [`crate::fold`].
pub(crate) fn ignoring_case(text: &str) -> Hir {
    let literal = |text: String| Hir::literal(text.into_bytes());
    let cases = |c: char| {
        Hir::alternation(vec![
            literal(c.into()),
            literal(c.to_lowercase().collect()),
            literal(c.to_uppercase().collect()),
        ])
    };
    Hir::concat(text.chars().map(cases).collect())
}

/// What is not supported, and where it stands.
type Refused = (Span, &'static str);

/// Refuses what the automaton cannot tell, and has the classes and boundaries of Perl mean ASCII.
///
/// Recursion is as deep as the parser's limit allows.
fn restrict(ast: &mut Ast) -> Result<(), Refused> {
    let replaced = match ast {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Dot(_) => return Ok(()),
        Ast::Repetition(repetition) => return restrict(&mut repetition.ast),
        Ast::Group(group) => return restrict(&mut group.ast),
        Ast::Alternation(several) => return several.asts.iter_mut().try_for_each(restrict),
        Ast::Concat(several) => return several.asts.iter_mut().try_for_each(restrict),
        Ast::ClassBracketed(class) => return restrict_set(&mut class.kind),
        Ast::ClassUnicode(class) => return Err((class.span, PROPERTY)),
        Ast::ClassPerl(class) => Ast::class_bracketed(ascii(class)),
        Ast::Assertion(assertion) => match assertion.kind {
            AssertionKind::StartLine
            | AssertionKind::EndLine
            | AssertionKind::StartText
            | AssertionKind::EndText => return Ok(()),
            AssertionKind::WordBoundary
            | AssertionKind::WordBoundaryStart
            | AssertionKind::WordBoundaryEnd
            | AssertionKind::WordBoundaryStartAngle
            | AssertionKind::WordBoundaryEndAngle => among_ascii(assertion),
            // Within a character of several bytes, these would hold.
            AssertionKind::NotWordBoundary
            | AssertionKind::WordBoundaryStartHalf
            | AssertionKind::WordBoundaryEndHalf => {
                return Err((assertion.span, r"of word boundaries, only \b is supported"));
            }
        },
    };
    *ast = replaced;
    Ok(())
}

const PROPERTY: &str =
    r"properties of Unicode such as \p{L} are not supported: write a range such as [a-zà-ü]";

fn restrict_set(set: &mut ClassSet) -> Result<(), Refused> {
    match set {
        ClassSet::Item(item) => restrict_item(item),
        ClassSet::BinaryOp(operation) => {
            restrict_set(&mut operation.lhs)?;
            restrict_set(&mut operation.rhs)
        }
    }
}

fn restrict_item(item: &mut ClassSetItem) -> Result<(), Refused> {
    match item {
        ClassSetItem::Empty(_)
        | ClassSetItem::Literal(_)
        | ClassSetItem::Range(_)
        | ClassSetItem::Ascii(_) => Ok(()),
        ClassSetItem::Unicode(class) => Err((class.span, PROPERTY)),
        ClassSetItem::Bracketed(class) => restrict_set(&mut class.kind),
        ClassSetItem::Union(union) => union.items.iter_mut().try_for_each(restrict_item),
        ClassSetItem::Perl(class) => {
            *item = ClassSetItem::Bracketed(Box::new(ascii(class)));
            Ok(())
        }
    }
}

/// The class as it is in ASCII. What it leaves out is all the rest of Unicode.
fn ascii(class: &ClassPerl) -> ClassBracketed {
    let ranges: &[(char, char)] = match class.kind {
        ClassPerlKind::Digit => &[('0', '9')],
        ClassPerlKind::Space => &[('\t', '\r'), (' ', ' ')],
        ClassPerlKind::Word => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
    };
    let span = class.span;
    let end = |c| Literal { span, kind: LiteralKind::Verbatim, c };
    let range =
        |&(from, to)| ClassSetItem::Range(ClassSetRange { span, start: end(from), end: end(to) });
    let items = ranges.iter().map(range).collect();
    ClassBracketed {
        span,
        negated: class.negated,
        kind: ClassSet::union(ClassSetUnion { span, items }),
    }
}

/// The assertion with words that are those of ASCII.
fn among_ascii(assertion: &Assertion) -> Ast {
    let span = assertion.span;
    let item = |kind| FlagsItem { span, kind };
    let items = vec![item(FlagsItemKind::Negation), item(FlagsItemKind::Flag(Flag::Unicode))];
    Ast::group(Group {
        span,
        kind: GroupKind::NonCapturing(Flags { span, items }),
        ast: Box::new(Ast::assertion(assertion.clone())),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_is_not_supported_is_said() {
        for (text, why) in [
            ("a(b", "at its character 2: unclosed group"),
            (
                r"é(?=a)",
                "at its character 2: look-around, including look-ahead and look-behind, is not supported",
            ),
            (r"(a)\1", "at its character 4: backreferences are not supported"),
            (
                r"\p{L}",
                r"at its character 1: properties of Unicode such as \p{L} are not supported: write a range such as [a-zà-ü]",
            ),
            (
                r"a[\pL]",
                r"at its character 3: properties of Unicode such as \p{L} are not supported: write a range such as [a-zà-ü]",
            ),
            (r"a\B", r"at its character 2: of word boundaries, only \b is supported"),
            (r"(?-u)\xff", "at its character 6: pattern can match invalid UTF-8"),
            (
                "[b-a]",
                "at its character 2: invalid character class range, the start must be <= the end",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), why, "{text}");
        }
        let nested = "(".repeat(200) + &")".repeat(200);
        assert!(parse(&nested).unwrap_err().to_string().contains("nest"), "{nested}");
    }
}

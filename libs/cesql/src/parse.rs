//! From text to tree, by recursive descent: a function for each precedence.

use crate::function::Function;
use crate::lex::{Lexeme, Token, lexemes};
use crate::like::{Pattern, TooLong};
use crate::limits::{DEPTH_MAX, EXPRESSION_BYTES_MAX, LIKE_CHARS_MAX};
use crate::node::{Arithmetic, Comparison, Logic, Node, Operator, Test, TestKind};
use crate::{Error, Value};

/// Words that are no names.
const KEYWORDS: [&str; 9] = ["AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"];

/// Binary operators, from those that bind least.
const LEVELS: [&[(&str, Operator)]; 4] = [
    &[
        ("AND", Operator::Logic(Logic::And)),
        ("OR", Operator::Logic(Logic::Or)),
        ("XOR", Operator::Logic(Logic::Xor)),
    ],
    &[
        ("=", Operator::Comparison(Comparison::Equal)),
        ("!=", Operator::Comparison(Comparison::NotEqual)),
        ("<>", Operator::Comparison(Comparison::NotEqual)),
        ("<", Operator::Comparison(Comparison::Less)),
        ("<=", Operator::Comparison(Comparison::LessOrEqual)),
        (">", Operator::Comparison(Comparison::Greater)),
        (">=", Operator::Comparison(Comparison::GreaterOrEqual)),
    ],
    &[
        ("+", Operator::Arithmetic(Arithmetic::Add)),
        ("-", Operator::Arithmetic(Arithmetic::Subtract)),
    ],
    &[
        ("*", Operator::Arithmetic(Arithmetic::Multiply)),
        ("/", Operator::Arithmetic(Arithmetic::Divide)),
        ("%", Operator::Arithmetic(Arithmetic::Remainder)),
    ],
];

/// Reads a whole expression.
pub(crate) fn parse(text: &str) -> Result<Node, Error> {
    if text.len() > EXPRESSION_BYTES_MAX {
        let detail = format!("an expression has at most {EXPRESSION_BYTES_MAX} bytes");
        return Err(Error::at(text, 0, detail));
    }
    let mut parser = Parser { text, lexemes: lexemes(text)?, next: 0, depth: 0 };
    let node = parser.expression()?;
    match parser.token() {
        Token::End => Ok(node),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    lexemes: Vec<Lexeme<'a>>,
    /// Which lexeme is next; the last, which is the end, is never passed.
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn token(&self) -> &Token<'_> {
        &self.lexemes[self.next].token
    }

    fn unexpected(&self, awaited: &str) -> Error {
        let found = match self.token() {
            Token::Word(word) => format!("{word:?}"),
            Token::Text(_) => "a string".to_owned(),
            Token::Symbol(symbol) => format!("{symbol:?}"),
            Token::End => "the end".to_owned(),
        };
        self.fault(format!("{awaited} is awaited, not {found}"))
    }

    /// A fault at what is next.
    fn fault(&self, detail: impl Into<String>) -> Error {
        Error::at(self.text, self.lexemes[self.next].at, detail)
    }

    /// Takes what is next if it is this keyword or symbol.
    fn take(&mut self, wanted: &str) -> bool {
        let found = match self.token() {
            Token::Word(word) => word.eq_ignore_ascii_case(wanted),
            Token::Symbol(symbol) => *symbol == wanted,
            Token::Text(_) | Token::End => false,
        };
        self.next += usize::from(found);
        found
    }

    fn demand(&mut self, wanted: &str) -> Result<(), Error> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(&format!("{wanted:?}"))) }
    }

    /// Reads something that is nested in what is being read.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == DEPTH_MAX {
            return Err(self.fault(format!("an expression is nested at most {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn expression(&mut self) -> Result<Node, Error> {
        self.chain(&LEVELS)
    }

    fn chain(&mut self, levels: &[&[(&str, Operator)]]) -> Result<Node, Error> {
        let Some((level, tighter)) = levels.split_first() else { return self.tested() };
        let first = self.chain(tighter)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = level.iter().find(|(sign, _)| self.take(sign)) {
            rest.push((*operator, self.chain(tighter)?));
        }
        Ok(if rest.is_empty() { first } else { Node::Chain { first: Box::new(first), rest } })
    }

    fn tested(&mut self) -> Result<Node, Error> {
        let operand = self.unary()?;
        let mut tests = Vec::new();
        loop {
            let negated = self.take("NOT");
            let kind = if self.take("LIKE") {
                self.pattern()?
            } else if self.take("IN") {
                self.demand("(")?;
                TestKind::In(self.nested(Self::list)?)
            } else if negated {
                return Err(self.unexpected("LIKE or IN"));
            } else {
                break;
            };
            tests.push(Test { negated, kind });
        }
        Ok(if tests.is_empty() {
            operand
        } else {
            Node::Tested { operand: Box::new(operand), tests }
        })
    }

    fn pattern(&mut self) -> Result<TestKind, Error> {
        let Token::Text(text) = self.token() else {
            return Err(self.unexpected("a pattern, which is a string,"));
        };
        let pattern = Pattern::parse(text).map_err(|TooLong| {
            self.fault(format!("a pattern has at most {LIKE_CHARS_MAX} characters"))
        })?;
        self.next += 1;
        Ok(TestKind::Like(Box::new(pattern)))
    }

    /// One or more expressions, and the parenthesis that ends them.
    fn list(&mut self) -> Result<Vec<Node>, Error> {
        let mut nodes = vec![self.expression()?];
        while self.take(",") {
            nodes.push(self.expression()?);
        }
        self.demand(")")?;
        Ok(nodes)
    }

    fn unary(&mut self) -> Result<Node, Error> {
        if self.take("NOT") {
            return Ok(Node::Not(Box::new(self.nested(Self::unary)?)));
        }
        if let Some(node) = self.signed()? {
            return Ok(node);
        }
        if self.take("-") {
            return Ok(Node::Minus(Box::new(self.nested(Self::unary)?)));
        }
        if self.take("(") {
            let node = self.nested(Self::expression)?;
            self.demand(")")?;
            return Ok(node);
        }
        let awaited = "a value";
        let node = match self.token() {
            Token::Text(text) => Node::Literal(Value::String(text.clone().into())),
            Token::Word(_) => return self.word(),
            Token::Symbol(_) | Token::End => return Err(self.unexpected(awaited)),
        };
        self.next += 1;
        Ok(node)
    }

    /// A number that a sign stands right before.
    fn signed(&mut self) -> Result<Option<Node>, Error> {
        let [sign, digits, ..] = &self.lexemes[self.next..] else { return Ok(None) };
        let (Token::Symbol("+" | "-"), Token::Word(word)) = (&sign.token, &digits.token) else {
            return Ok(None);
        };
        if digits.at != sign.at + 1 || !is_number(word) {
            return Ok(None);
        }
        let node = self.number(&self.text[sign.at..digits.at + word.len()])?;
        self.next += 2;
        Ok(Some(node))
    }

    fn number(&self, text: &str) -> Result<Node, Error> {
        let number = text.parse().map_err(|_| self.fault("the number is beyond 32 bits"))?;
        Ok(Node::Literal(Value::Integer(number)))
    }

    /// A number, a boolean, a call or an attribute.
    fn word(&mut self) -> Result<Node, Error> {
        if self.take("EXISTS") {
            return Ok(Node::Exists(self.name()?));
        }
        let Token::Word(word) = *self.token() else { return Err(self.unexpected("a value")) };
        let node = if is_number(word) {
            self.number(word)?
        } else if word.eq_ignore_ascii_case("TRUE") {
            Node::Literal(Value::Boolean(true))
        } else if word.eq_ignore_ascii_case("FALSE") {
            Node::Literal(Value::Boolean(false))
        } else if is_keyword(word) {
            return Err(self.unexpected("a value"));
        } else if self.lexemes[self.next + 1].token == Token::Symbol("(") {
            return self.call();
        } else {
            return Ok(Node::Attribute(self.name()?));
        };
        self.next += 1;
        Ok(node)
    }

    fn call(&mut self) -> Result<Node, Error> {
        let Token::Word(word) = *self.token() else { return Err(self.unexpected("a function")) };
        if word.starts_with('_') || word.contains(|c: char| c.is_ascii_digit()) {
            return Err(self.fault(format!("{word:?} is no name of a function")));
        }
        let name = word.to_ascii_uppercase();
        self.next += 1;
        self.demand("(")?;
        let arguments = if self.take(")") { Vec::new() } else { self.nested(Self::list)? };
        let arity = arguments.len();
        Ok(match Function::find(&name, arity) {
            Some(function) => Node::Call { function, arguments },
            None => Node::Unknown { name: name.into(), arity },
        })
    }

    /// The name of an attribute.
    fn name(&mut self) -> Result<Box<str>, Error> {
        let name = match self.token() {
            Token::Word(word) if !is_keyword(word) && !word.contains('_') => {
                word.to_ascii_lowercase().into()
            }
            Token::Word(_) | Token::Text(_) | Token::Symbol(_) | Token::End => {
                return Err(self.unexpected("the name of an attribute"));
            }
        };
        self.next += 1;
        Ok(name)
    }
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

//! One parsed line: simd-json's tape, and the way back to its bytes.

use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape};

use super::fault::{Fault, Finding, Parsed, Place};
use super::scan::{self, MAX_DEPTH, Token};

/// Whether `NaN`, `Infinity` and `-Infinity` outside of strings are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BareNan {
    Refused,
    Allowed,
}

/// Parses lines; its memory is reused from line to line.
pub(crate) struct Parser {
    /// The line with the padding that the parser reads beyond; strings are unescaped in it.
    scratch: Vec<u8>,
    buffers: Buffers,
    spare: Option<Tape<'static>>,
    bare_nan: BareNan,
}

impl Parser {
    pub(crate) fn new(bare_nan: BareNan) -> Self {
        let buffers = Buffers::with_max_depth(4096, MAX_DEPTH);
        Self {
            scratch: Vec::new(),
            buffers,
            spare: None,
            bare_nan,
        }
    }

    /// Parses `line` and hands it to `read`; a fault comes back with its column.
    pub(crate) fn parse<R>(
        &mut self,
        line: &[u8],
        read: impl FnOnce(Value<'_, '_>) -> Parsed<R>,
    ) -> Result<R, Finding> {
        self.parse_tape(line, read).map_err(|fault| {
            let at = match fault.place {
                Place::Byte(at) => Some(at),
                Place::Node(number) => scan::offset_of(line, number),
            };
            fault.located(at.map(|at| at as u64 + 1))
        })
    }

    fn parse_tape<R>(
        &mut self,
        line: &[u8],
        read: impl FnOnce(Value<'_, '_>) -> Parsed<R>,
    ) -> Parsed<R> {
        load(&mut self.scratch, line);
        let mut tape = self.spare.take().unwrap_or_else(Tape::null).reset();
        let parsed = simd_json::fill_tape_padded(
            &mut self.scratch,
            line.len(),
            &mut self.buffers,
            &mut tape,
        );
        if parsed.is_ok() {
            let result = read(Value {
                nodes: &tape.0,
                large: &[],
                at: 0,
            });
            self.spare = Some(tape.reset());
            return result;
        }
        self.parse_again(line, read)
    }

    /// A line that the parser refused: either it says why, or the refused tokens are
    /// numbers to us (bare NaN where allowed, integers beyond 64 bits), which are
    /// parsed as 0 and put in their place on the tape.
    #[cold]
    fn parse_again<R>(
        &mut self,
        line: &[u8],
        read: impl FnOnce(Value<'_, '_>) -> Parsed<R>,
    ) -> Parsed<R> {
        let Rewritten {
            text,
            numbers,
            large,
        } = rewrite(line, self.bare_nan)?;
        load(&mut self.scratch, &text);
        let mut tape = Tape::null();
        simd_json::fill_tape_padded(&mut self.scratch, text.len(), &mut self.buffers, &mut tape)
            .map_err(|error| Fault::new(Place::Byte(error.index()), error.to_string()))?;
        for (number, value) in numbers {
            if let Some(node) = tape.0.get_mut(number) {
                *node = Node::Static(StaticNode::F64(value));
            }
        }
        read(Value {
            nodes: &tape.0,
            large: &large,
            at: 0,
        })
    }
}

fn load(scratch: &mut Vec<u8>, line: &[u8]) {
    scratch.clear();
    scratch.reserve(line.len() + INPUT_PADDING);
    scratch.extend_from_slice(line);
    scratch.resize(line.len() + INPUT_PADDING, b' ');
}

struct Rewritten {
    text: Vec<u8>,
    /// Nodes whose token became `0`, with their value.
    numbers: Vec<(usize, f64)>,
    /// Those of them that are integers.
    large: Vec<usize>,
}

fn rewrite(line: &[u8], bare_nan: BareNan) -> Parsed<Rewritten> {
    let mut out = Rewritten {
        text: Vec::new(),
        numbers: Vec::new(),
        large: Vec::new(),
    };
    let mut copied = 0;
    let mut number = 0;
    let mut refused = None;
    scan::walk(line, &mut |token, bytes| {
        let text = line.get(bytes.clone()).unwrap_or_default();
        let value = match token {
            Token::NonFinite(value) => {
                if bare_nan == BareNan::Refused {
                    refused.get_or_insert_with(|| (bytes.start, bare_nan_message(text)));
                }
                Some(value)
            }
            Token::Integer if !fits_64_bits(text) => match scan::decimal(Some(text)) {
                Some(value) => {
                    out.large.push(number);
                    Some(value)
                }
                None => {
                    let message = "the integer is beyond the range of float64".to_owned();
                    refused.get_or_insert((bytes.start, message));
                    None
                }
            },
            _ => None,
        };
        if let Some(value) = value {
            out.text
                .extend_from_slice(line.get(copied..bytes.start).unwrap_or_default());
            out.text.push(b'0');
            copied = bytes.end;
            out.numbers.push((number, value));
        }
        number += 1;
    })
    .map_err(|error| Fault::new(Place::Byte(error.at), error.message))?;
    if let Some((at, message)) = refused {
        return Err(Fault::new(Place::Byte(at), message));
    }
    out.text
        .extend_from_slice(line.get(copied..).unwrap_or_default());
    Ok(out)
}

fn bare_nan_message(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    format!(
        "bare {text} is not JSON; write the string \"{text}\" and state a float dtype, or pass --allow-nan"
    )
}

fn fits_64_bits(text: &[u8]) -> bool {
    std::str::from_utf8(text)
        .is_ok_and(|text| text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok())
}

/// One node of a parsed line, with what is below it.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t, 'i> {
    nodes: &'t [Node<'i>],
    /// Nodes that are integers beyond 64 bits (their value on the tape is a float).
    large: &'t [usize],
    /// Number of the node.
    pub(crate) at: usize,
}

impl<'t, 'i> Value<'t, 'i> {
    /// The node itself; `Null` beyond the end, which a well-formed tape does not have.
    pub(crate) fn node(self) -> Node<'i> {
        self.nodes
            .get(self.at)
            .copied()
            .unwrap_or(Node::Static(StaticNode::Null))
    }

    fn end(self) -> usize {
        self.at
            + 1
            + match self.node() {
                Node::Object { count, .. } | Node::Array { count, .. } => count,
                _ => 0,
            }
    }

    /// Number of nodes below this one: a bound on the elements in it.
    pub(crate) fn nodes_below(self) -> usize {
        self.end() - self.at
    }

    fn sibling(self, at: usize) -> Self {
        Self { at, ..self }
    }

    pub(crate) fn is_null(self) -> bool {
        matches!(self.node(), Node::Static(StaticNode::Null))
    }

    pub(crate) fn is_object(self) -> bool {
        matches!(self.node(), Node::Object { .. })
    }

    /// Number of elements, if it is a list.
    pub(crate) fn list_len(self) -> Option<usize> {
        match self.node() {
            Node::Array { len, .. } => Some(len),
            _ => None,
        }
    }

    /// The elements of a list, the members' names and values of an object; else nothing.
    fn children(self) -> impl Iterator<Item = Self> + use<'t, 'i> {
        let end = self.end();
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let child = self.sibling(at);
                at = child.end();
                child
            })
        })
    }

    /// The elements of a list.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> + use<'t, 'i> {
        let count = self.list_len().unwrap_or(0);
        self.children().take(count)
    }

    /// Number of members, if it is an object.
    pub(crate) fn member_count(self) -> usize {
        match self.node() {
            Node::Object { len, .. } => len,
            _ => 0,
        }
    }

    /// The nodes of a list of scalars, or of one scalar; `None` if something is nested in it.
    pub(crate) fn leaves(self) -> Option<&'t [Node<'i>]> {
        match self.node() {
            Node::Array { len, count } if len == count => {
                self.nodes.get(self.at + 1..self.at + 1 + len)
            }
            Node::Static(_) | Node::String(_) => self.nodes.get(self.at..=self.at),
            _ => None,
        }
    }

    /// Number of the first node of [`leaves`](Self::leaves).
    pub(crate) fn first_leaf(self) -> usize {
        self.at + usize::from(self.list_len().is_some())
    }

    /// The members of an object, in order; a name that stands twice is a fault.
    pub(crate) fn members(self) -> Parsed<impl Iterator<Item = Member<'t, 'i>> + use<'t, 'i>> {
        let Node::Object { len, .. } = self.node() else {
            return Err(self.expected("an object"));
        };
        match self.duplicate(len) {
            Some(member) => {
                Err(Fault::at(member.name_at, "stands twice in this object").within(member.name))
            }
            None => Ok(self.pairs()),
        }
    }

    /// Names and values of an object, without a look for duplicates.
    fn pairs(self) -> impl Iterator<Item = Member<'t, 'i>> + use<'t, 'i> {
        let mut children = self.children();
        std::iter::from_fn(move || {
            let (name, value) = (children.next()?, children.next()?);
            Some(Member {
                name: name.text().unwrap_or_default(),
                name_at: name.at,
                value,
            })
        })
    }

    /// The first of `len` members whose name stood before. Most objects are small: their
    /// names are compared pair by pair, which takes no memory; sorting pays beyond.
    fn duplicate(self, len: usize) -> Option<Member<'t, 'i>> {
        if len <= FEW {
            return self.pairs().enumerate().find_map(|(i, later)| {
                let twice = self
                    .pairs()
                    .take(i)
                    .any(|earlier| earlier.name == later.name);
                twice.then_some(later)
            });
        }
        let mut sorted: Vec<_> = self.pairs().collect();
        sorted.sort_by_key(|member| (member.name, member.name_at));
        let twice = sorted.windows(2).filter_map(|pair| match pair {
            [a, b] if a.name == b.name => Some(*b),
            _ => None,
        });
        twice.min_by_key(|member| member.name_at)
    }

    /// The value at a path of member names.
    pub(crate) fn find(self, path: &[&str]) -> Option<Self> {
        let [first, rest @ ..] = path else {
            return Some(self);
        };
        self.pairs()
            .find(|member| member.name == *first)?
            .value
            .find(rest)
    }

    pub(crate) fn text(self) -> Option<&'i str> {
        match self.node() {
            Node::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string; else a fault.
    pub(crate) fn expect_text(self) -> Parsed<&'i str> {
        self.text().ok_or_else(|| self.expected("a string"))
    }

    /// First integer beyond 64 bits among the nodes of this value.
    pub(crate) fn large_integer(self) -> Option<usize> {
        let end = self.end();
        self.large
            .iter()
            .copied()
            .find(|&node| (self.at..end).contains(&node))
    }

    /// A fault here: `what` was expected.
    pub(crate) fn expected(self, what: &str) -> Box<Fault> {
        Fault::at(
            self.at,
            format!("expected {what}, found {}", describe(&self.node())),
        )
    }

    /// A fault here.
    pub(crate) fn fault(self, message: impl Into<String>) -> Box<Fault> {
        Fault::at(self.at, message)
    }
}

/// Members of an object that counts as small.
const FEW: usize = 16;

/// One member of an object.
#[derive(Clone, Copy)]
pub(crate) struct Member<'t, 'i> {
    pub(crate) name: &'i str,
    /// Number of the node that is the name.
    pub(crate) name_at: usize,
    pub(crate) value: Value<'t, 'i>,
}

impl Member<'_, '_> {
    /// A fault: no member is called so; `known` are those that there are.
    pub(crate) fn unknown(&self, known: &[&str]) -> Box<Fault> {
        let hint = super::fault::nearest(self.name, known.iter().copied());
        Fault::at(
            self.name_at,
            format!("unknown member{hint} (known: {})", known.join(", ")),
        )
        .within(self.name)
    }
}

/// "the string \"x\"", "the number 3", "a list".
pub(crate) fn describe(node: &Node<'_>) -> String {
    match node {
        Node::String(text) => {
            let shown: String = text.chars().take(40).collect();
            let dots = if shown.len() < text.len() { "..." } else { "" };
            format!("the string {shown:?}{dots}")
        }
        Node::Object { .. } => "an object".to_owned(),
        Node::Array { len, .. } => format!("a list of {len}"),
        Node::Static(StaticNode::Null) => "null".to_owned(),
        Node::Static(StaticNode::Bool(value)) => value.to_string(),
        Node::Static(StaticNode::F64(value)) => format!("the number {value:?}"),
        Node::Static(StaticNode::I64(value)) => format!("the number {value}"),
        Node::Static(StaticNode::U64(value)) => format!("the number {value}"),
    }
}

//! One line as one operation.

use std::borrow::Cow;

use arraylog::{ArraySpec, Attrs};
use simd_json::{Node, StaticNode};

pub(crate) use super::defaults::Stated;
use super::defaults::{self, Defaults};
use super::document::{Member, Value};
use super::elements::Nulls;
use super::fault::{Fault, Parsed, Within};
use super::{array, attrs, typed};

const MEMBERS: [&str; 10] = [
    "collection",
    "partition",
    "entry",
    "entry_b64",
    "arrays",
    "attrs",
    "value",
    "value_b64",
    "delete",
    "defaults",
];

/// Bytes that a key may have.
const MAX_KEY: usize = 65_535;

/// What a line asks for. Texts are borrowed from the parsed line or the defaults.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// An operation on one key.
    Operation(Operation<'a>),
    /// Applies to the lines after it.
    Defaults(Stated),
}

#[derive(Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) collection: &'a str,
    pub(crate) partition: &'a str,
    pub(crate) key: Cow<'a, [u8]>,
    pub(crate) action: Action<'a>,
}

/// What happens to the key.
#[derive(Debug)]
pub(crate) enum Action<'a> {
    Write {
        arrays: Vec<(&'a str, ArraySpec<'static>)>,
        attrs: Attrs,
    },
    Put(Cow<'a, [u8]>),
    Remove,
}

/// The members of a line, each at most once.
#[derive(Default)]
struct Members<'t, 'i> {
    collection: Option<Member<'t, 'i>>,
    partition: Option<Member<'t, 'i>>,
    entry: Option<Member<'t, 'i>>,
    entry_b64: Option<Member<'t, 'i>>,
    arrays: Option<Member<'t, 'i>>,
    attrs: Option<Member<'t, 'i>>,
    value: Option<Member<'t, 'i>>,
    value_b64: Option<Member<'t, 'i>>,
    delete: Option<Member<'t, 'i>>,
    defaults: Option<Member<'t, 'i>>,
}

/// Reads a parsed line.
pub(crate) fn read<'a>(
    value: Value<'_, 'a>,
    defaults: &'a Defaults,
    nulls: Nulls,
) -> Parsed<Line<'a>> {
    let members = Members::read(value)?;
    members.one_kind(value)?;
    if let Some(member) = members.defaults {
        members.only_defaults()?;
        return Ok(Line::Defaults(
            defaults::read(member.value).within("defaults")?,
        ));
    }
    let key = members.key(value)?;
    let name = |member: Option<Member<'_, 'a>>, default: Option<&'a str>, name, flag| match member {
        Some(member) => member.value.expect_text().within(name),
        None => default.ok_or_else(|| defaults::missing(name, flag)),
    };
    Ok(Line::Operation(Operation {
        collection: name(
            members.collection,
            defaults.collection(),
            "collection",
            "--collection",
        )?,
        partition: name(
            members.partition,
            defaults.partition(),
            "partition",
            "--partition",
        )?,
        key,
        action: members.action(defaults, nulls)?,
    }))
}

impl<'t, 'i> Members<'t, 'i> {
    fn read(value: Value<'t, 'i>) -> Parsed<Self> {
        let mut members = Self::default();
        for member in value.members()? {
            let place = match member.name {
                "collection" => &mut members.collection,
                "partition" => &mut members.partition,
                "entry" => &mut members.entry,
                "entry_b64" => &mut members.entry_b64,
                "arrays" => &mut members.arrays,
                "attrs" => &mut members.attrs,
                "value" => &mut members.value,
                "value_b64" => &mut members.value_b64,
                "delete" => &mut members.delete,
                "defaults" => &mut members.defaults,
                _ => return Err(member.unknown(&MEMBERS)),
            };
            *place = Some(member);
        }
        Ok(members)
    }

    /// Exactly one of the four kinds of line.
    fn one_kind(&self, value: Value<'_, '_>) -> Parsed<()> {
        let kinds = [
            self.arrays.or(self.attrs),
            self.value.or(self.value_b64),
            self.delete,
            self.defaults,
        ];
        let mut present = kinds.into_iter().flatten();
        match (present.next(), present.next()) {
            (Some(_), None) => {}
            (None, _) => {
                return Err(value.fault(
                    "expected one of `arrays`, `attrs`, `value`, `value_b64`, `delete`, `defaults`",
                ));
            }
            (Some(first), Some(second)) => return Err(exclude(&first, &second)),
        }
        match (self.value, self.value_b64) {
            (Some(first), Some(second)) => Err(exclude(&first, &second)),
            _ => Ok(()),
        }
    }

    fn only_defaults(&self) -> Parsed<()> {
        let others = [self.collection, self.partition, self.entry, self.entry_b64];
        match others.into_iter().flatten().next() {
            Some(member) => Err(Fault::at(
                member.name_at,
                "stands beside `defaults`, which is alone in its line",
            )
            .within(member.name)),
            None => Ok(()),
        }
    }

    fn key(&self, value: Value<'_, '_>) -> Parsed<Cow<'i, [u8]>> {
        let (key, member) = match (self.entry, self.entry_b64) {
            (Some(first), Some(second)) => return Err(exclude(&first, &second)),
            (None, None) => return Err(value.fault("expected `entry` or `entry_b64` (the key)")),
            (Some(entry), None) => {
                let text = entry.value.expect_text().within("entry")?;
                (Cow::Borrowed(text.as_bytes()), entry)
            }
            (None, Some(entry)) => {
                let bytes = entry
                    .value
                    .expect_text()
                    .and_then(|t| typed::base64(t, entry.value.at));
                (Cow::Owned(bytes.within("entry_b64")?), entry)
            }
        };
        if key.len() > MAX_KEY {
            let message = format!(
                "a key has at most {MAX_KEY} bytes, this one has {}",
                key.len()
            );
            return Err(member.value.fault(message).within(member.name));
        }
        Ok(key)
    }

    fn action(&self, defaults: &Defaults, nulls: Nulls) -> Parsed<Action<'i>> {
        if let Some(value) = self.value {
            let text = value.value.expect_text().within("value")?;
            return Ok(Action::Put(Cow::Borrowed(text.as_bytes())));
        }
        if let Some(value) = self.value_b64 {
            let value = value.value;
            let bytes = value
                .expect_text()
                .and_then(|text| typed::base64(text, value.at));
            return Ok(Action::Put(Cow::Owned(bytes.within("value_b64")?)));
        }
        if let Some(delete) = self.delete {
            return match delete.value.node() {
                Node::Static(StaticNode::Bool(true)) => Ok(Action::Remove),
                _ => Err(delete.value.expected("true").within("delete")),
            };
        }
        let mut arrays = Vec::new();
        if let Some(member) = self.arrays {
            let members = member.value.members().within("arrays")?;
            arrays.reserve_exact(member.value.member_count());
            for Member { name, value, .. } in members {
                let spec = array::read(value, name, defaults.array(name), nulls);
                arrays.push((name, spec.within(name).within("arrays")?));
            }
        }
        let attrs = self
            .attrs
            .map(|member| attrs::read(member.value))
            .transpose();
        let attrs = attrs.within("attrs")?.unwrap_or_default();
        Ok(Action::Write { arrays, attrs })
    }
}

/// Two members of which a line has one; the later one is the place.
fn exclude(a: &Member<'_, '_>, b: &Member<'_, '_>) -> Box<Fault> {
    let (first, second) = if a.name_at < b.name_at {
        (a, b)
    } else {
        (b, a)
    };
    Fault::at(
        second.name_at,
        format!(
            "`{}` and `{}` exclude each other in one line",
            first.name, second.name
        ),
    )
    .within(second.name)
}

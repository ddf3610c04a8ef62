//! What is measured: a row, its engines, its figures and their targets.

use anyhow::Result;

use crate::task::{Answer, Task};

/// One row of the comparison.
#[derive(Debug)]
pub(crate) struct Row {
    /// Name on the command line.
    pub(crate) name: &'static str,
    /// What is done, with sizes and settings.
    pub(crate) title: &'static str,
    /// Who does it.
    pub(crate) engines: &'static [&'static str],
    /// What is measured; an engine may lack some.
    pub(crate) figures: &'static [Figure],
    /// What is compared.
    pub(crate) comparisons: &'static [Comparison],
    /// Makes the data in a process of its own, so that what is measured starts clean.
    pub(crate) prepare: Option<fn(&Task) -> Result<()>>,
    /// Measures.
    pub(crate) measure: fn(&Task) -> Result<Answer>,
    /// Whether it runs in Python.
    pub(crate) needs_python: bool,
}

/// A number that a process measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Name in answers and comparisons.
    pub(crate) name: &'static str,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Whether more is better.
    pub(crate) higher_is_better: bool,
}

impl Figure {
    /// A rate: more is better.
    pub(crate) const fn rate(name: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            unit,
            higher_is_better: true,
        }
    }

    /// A time: less is better.
    pub(crate) const fn time(name: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            unit,
            higher_is_better: false,
        }
    }
}

/// A figure of an engine of the row.
pub(crate) type Cell = (&'static str, &'static str);

/// A ratio, or a limit, with or without a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// The figure in question.
    pub(crate) subject: Cell,
    /// What it is held against.
    pub(crate) against: Against,
    /// What the ratio should at least be.
    pub(crate) target: Option<f64>,
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against {
    /// A figure of the same repetition.
    Peer(Cell),
    /// A number, in the unit of the figure.
    Limit(f64),
}

impl Comparison {
    /// How many times as good `subject` is as `peer`.
    pub(crate) const fn of(subject: Cell, peer: Cell) -> Self {
        Self {
            subject,
            against: Against::Peer(peer),
            target: None,
        }
    }

    /// `subject` is to be no worse than `limit`.
    pub(crate) const fn within(subject: Cell, limit: f64) -> Self {
        Self {
            subject,
            against: Against::Limit(limit),
            target: Some(1.0),
        }
    }

    /// The ratio is to be `target` or more.
    pub(crate) const fn at_least(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }
}

impl Row {
    /// The figure called `name`.
    pub(crate) fn figure(&self, name: &str) -> Option<&'static Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

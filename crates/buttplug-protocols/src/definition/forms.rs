//! Reads what is written and read: frames, steps, notifications, keepalive, and their variants.

use super::parse::{endpoint, milliseconds};
use super::reader::{Source, Table, Text, Value};
use super::{
    Form, Keepalive, MAX_FRAMES, MAX_STEPS, MAX_VARIANTS, NotifyRule, PackedKind, ReadRule, WriteRule, kind,
};
use crate::notation::frame::{Condition, Template};
use crate::notation::step::StepTemplate;
use crate::notation::{Context, parse_frame, parse_pattern, parse_step};
use buttplug_core::{InputKind, OutputKind};

pub(super) fn forms(
    table: &mut Table<'_>,
    context: Context<'_>,
    source: &mut Source<'_>,
) -> (Vec<Form>, Vec<usize>) {
    let base = form(table, &Form::default(), context, source);
    let mut forms = vec![base.clone()];
    let mut places = vec![table.at];
    let mut variants = Vec::new();
    if let Some(value) = table.take("variant") {
        variants = value.table(source).map(|mut variants| variants.take_all()).unwrap_or_default();
        value.at_most(MAX_VARIANTS, &mut variants, source);
    }
    for (name, value) in variants {
        let Some(mut variant) = value.table(source) else { continue };
        let form = form(&mut variant, &base, context, source);
        variant.end(source);
        forms.push(Form { name: name.text.into(), ..form });
        places.push(name.at);
    }
    (forms, places)
}

fn form(table: &mut Table<'_>, base: &Form, context: Context<'_>, source: &mut Source<'_>) -> Form {
    let mut form = base.clone();
    if let Some(value) = table.take("connect") {
        form.connect = steps(&value, context, source);
    }
    if let Some(value) = table.take("write") {
        form.write = write_rules(&value, context, source);
        let frames = form.write.iter().map(|rule| rule.frames.len()).sum::<usize>();
        if frames > MAX_FRAMES {
            source.error(value.at, format!("a protocol has at most {MAX_FRAMES} frames"));
        }
    }
    if let Some(value) = table.take("keepalive") {
        form.keepalive = value.text(source).and_then(|text| keepalive(&text, source));
    }
    if let Some(mut read) = table.take("read").and_then(|value| value.table(source)) {
        form.read.clear();
        for (name, value) in read.take_all() {
            if let Some(kind) = input_kind(&name, source) {
                form.read.push(ReadRule { kind, steps: steps(&value, context, source) });
            }
        }
    }
    if let Some(mut notify) = table.take("notify").and_then(|value| value.table(source)) {
        form.notify.clear();
        for (name, value) in notify.take_all() {
            let text = value.text(source);
            if let (Some(kind), Some(text)) = (input_kind(&name, source), text) {
                form.notify.extend(notify_rule(kind, &text, source));
            }
        }
    }
    form
}

fn input_kind(name: &Text<'_>, source: &mut Source<'_>) -> Option<InputKind> {
    let kind = kind::input_from_name(name.text);
    if kind.is_none() {
        source.error(name.at, format!("no kind of input is called `{}`", name.text));
    }
    kind
}

fn notify_rule(kind: InputKind, text: &Text<'_>, source: &mut Source<'_>) -> Option<NotifyRule> {
    let Some((name, pattern)) = text.text.split_once(':') else {
        source.error(text.at, "a notification looks like `rxpressure: value:u16be`");
        return None;
    };
    let endpoint = endpoint(&text.part(name.trim()), source)?;
    let pattern = source.notation(&text.part(pattern), parse_pattern(pattern))?;
    Some(NotifyRule { kind, endpoint, pattern })
}

fn steps(value: &Value<'_>, context: Context<'_>, source: &mut Source<'_>) -> Vec<StepTemplate> {
    let mut texts = value.texts(source);
    value.at_most(MAX_STEPS, &mut texts, source);
    let mut has_if = false;
    let mut steps = Vec::new();
    for text in texts {
        let Some(step) = source.notation(&text, parse_step(text.text, context)) else { continue };
        check_else(&step.condition, &mut has_if, &text, source);
        steps.push(step);
    }
    steps
}

fn write_rules(value: &Value<'_>, context: Context<'_>, source: &mut Source<'_>) -> Vec<WriteRule> {
    if !value.is_table() {
        return vec![WriteRule { kinds: Vec::new(), frames: frames(value, context, source) }];
    }
    let mut rules = Vec::new();
    let mut listed: Vec<OutputKind> = Vec::new();
    let mut table = value.table(source);
    for (names, value) in table.as_mut().map(Table::take_all).unwrap_or_default() {
        let mut kinds = Vec::new();
        for name in names.text.split_whitespace() {
            match kind::output_from_name(name) {
                Some(kind) if listed.contains(&kind) => {
                    source.error(names.at, format!("`{name}` is written twice"));
                }
                Some(kind) => {
                    listed.push(kind);
                    kinds.push(PackedKind(kind));
                }
                None => source.error(names.at, format!("no kind of output is called `{name}`")),
            }
        }
        let frames = frames(&value, context, source);
        if !kinds.is_empty() {
            rules.push(WriteRule { kinds, frames });
        }
    }
    rules
}

fn frames(value: &Value<'_>, context: Context<'_>, source: &mut Source<'_>) -> Vec<Template> {
    let mut frames: Vec<Template> = Vec::new();
    let mut texts = value.texts(source);
    value.at_most(MAX_FRAMES, &mut texts, source);
    let mut has_if = false;
    for text in texts {
        let Some(frame) = source.notation(&text, parse_frame(text.text, context)) else { continue };
        check_else(&frame.condition, &mut has_if, &text, source);
        frames.push(frame);
    }
    frames
}

/// Refuses an `else` that no `if` of the same list comes before.
fn check_else(condition: &Condition, has_if: &mut bool, text: &Text<'_>, source: &mut Source<'_>) {
    match condition {
        Condition::Always => {}
        Condition::If(_) => *has_if = true,
        Condition::Else if *has_if => {}
        Condition::Else => source.error(text.at, "there is no `if` before this `else`"),
    }
}

fn keepalive(text: &Text<'_>, source: &mut Source<'_>) -> Option<Keepalive> {
    let (time, while_running) = match text.text.strip_suffix("while running") {
        Some(time) => (time, true),
        None => (text.text, false),
    };
    let after_ms = milliseconds(&text.part(time.trim()), source)?;
    Some(Keepalive { after_ms, while_running })
}

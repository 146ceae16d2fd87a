//! JSON Schema (draft-07, which editors of YAML understand) of what admins write, made from the tables that reading
//! goes by. It says what can be said without knowing other files: names, kinds and what is needed. The check says the rest.

use super::settings::{Group, Need, Setting, Shape};
use super::step::VERBS;
use super::{calendar, flow, lookup, post, trial};
use serde_json::{Map, Value, json};

/// Which files a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Flow,
    Lookups,
    Calendars,
    Messages,
    Prompts,
    Test,
}

pub fn schema(of: Content) -> Value {
    let (title, shape) = match of {
        Content::Flow => ("hotline flow", Shape::Group(&flow::FILE)),
        Content::Lookups => ("hotline lookups", Shape::Group(&lookup::FILE)),
        Content::Calendars => ("hotline calendars", Shape::Group(&calendar::FILE)),
        Content::Messages => ("hotline messages", Shape::Group(&post::FILE)),
        Content::Test => ("hotline flow tests", Shape::Group(&trial::TEST_FILE)),
        Content::Prompts => ("hotline prompts", Shape::Named(&Shape::Named(&Shape::Text))),
    };
    let mut root = self::shape(&shape);
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
        root.insert("title".into(), json!(title));
        if of == Content::Flow {
            root.insert("definitions".into(), json!({"steps": steps()}));
        }
    }
    root
}

/// A list of steps, each a map of one verb.
fn steps() -> Value {
    let verbs: Map<String, Value> = VERBS
        .iter()
        .map(|verb| {
            let mut value = shape(&verb.shape);
            describe(&mut value, format!("{}\n\n{}", verb.help, verb.example));
            (verb.name.to_string(), value)
        })
        .collect();
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "properties": verbs,
        },
    })
}

fn shape(of: &Shape) -> Value {
    // Unquoted digits are a number to YAML and a name or text to a flow.
    let word = || json!({"type": ["string", "number", "boolean"]});
    match of {
        Shape::Prompt | Shape::Section | Shape::Target | Shape::Name | Shape::Text | Shape::Expression => word(),
        Shape::Prompts | Shape::Names => {
            json!({"anyOf": [word(), {"type": "array", "minItems": 1, "items": word()}]})
        }
        Shape::Flag => json!({"enum": [true, false, "true", "false", "yes", "no"]}),
        Shape::Number(from, to) => json!({"anyOf": [
            {"type": "integer", "minimum": from, "maximum": to},
            {"type": "string", "pattern": "^[0-9]+$"},
        ]}),
        Shape::Time(..) => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}),
        Shape::Word(words) => {
            let numbers = words.iter().filter_map(|word| word.parse::<u64>().ok());
            json!({"enum": words.iter().map(|word| json!(word)).chain(numbers.map(|n| json!(n))).collect::<Vec<_>>()})
        }
        Shape::Keys(digits, to) => json!({
            "type": "object",
            "propertyNames": {"pattern": format!("^([0-9]{{1,{digits}}}|star|hash)$")},
            "additionalProperties": shape(to),
        }),
        Shape::Named(to) => json!({"type": "object", "additionalProperties": shape(to)}),
        Shape::List(item) => json!({"type": "array", "minItems": 1, "items": shape(item)}),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(shape).collect::<Vec<_>>()}),
        Shape::Group(group) => self::group(group),
        Shape::One(of) => {
            let mut one = self::group(of);
            if let Some(one) = one.as_object_mut() {
                one.extend([("minProperties".into(), json!(1)), ("maxProperties".into(), json!(1))]);
            }
            one
        }
        Shape::Steps => json!({"$ref": "#/definitions/steps"}),
        Shape::Nothing => json!({"type": "null"}),
        Shape::Any => json!({}),
    }
}

fn group(of: &Group) -> Value {
    let known = of.settings.iter();
    let properties: Map<String, Value> = known
        .map(|setting| {
            let mut value = shape(&setting.shape);
            describe(&mut value, setting.told());
            (setting.name.to_string(), value)
        })
        .collect();
    let needed: Vec<&str> = of.settings.iter().filter(|setting| setting.is_needed()).map(|s| s.name).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": needed})
}

fn describe(value: &mut Value, text: String) {
    if let Some(value) = value.as_object_mut() {
        value.insert("description".into(), json!(text));
    }
}

impl Setting {
    /// What it is for, what holds without it, and whether it is needed.
    pub(super) fn told(&self) -> String {
        match self.need {
            Need::Required => format!("{}; needed", self.help),
            Need::Outcome => format!("where to go {}; needed", self.help),
            Need::Default(default) => format!("{}; {default} unless told", self.help),
            Need::Optional => self.help.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;

use super::*;
use crate::ivr::value::Type;
use std::collections::BTreeMap;

struct Vars(BTreeMap<&'static str, (Type, Option<Value>)>);

impl Known for Vars {
    fn type_of(&self, name: &str) -> Option<Type> {
        self.0.get(name).map(|(ty, _)| ty.clone())
    }
    fn names(&self) -> Vec<&str> {
        self.0.keys().copied().collect()
    }
}

impl Reader for Vars {
    fn read(&self, name: &str) -> Option<Value> {
        self.0.get(name).and_then(|(_, value)| value.clone())
    }
}

fn vars() -> Vars {
    let choices = vec!["zh".to_string(), "en".to_string()];
    Vars(BTreeMap::from([
        ("balance", (Type::Money, Some(Value::Money(-1250)))),
        ("vip", (Type::Flag, Some(Value::Flag(false)))),
        ("count", (Type::Int, Some(Value::Int(7)))),
        ("rate", (Type::Number, Some(Value::Number(1_100_000)))),
        ("account", (Type::Digits, Some(Value::Digits("3101234569".into())))),
        ("contact", (Type::Digits, None)),
        ("lang", (Type::OneOf(choices), Some(Value::Text("zh".into())))),
        ("due", (Type::Date, Type::Date.read("2026-03-01"))),
        ("now", (Type::Datetime, Type::Datetime.read("2026-03-08 14:05"))),
        ("wait", (Type::Duration, Some(Value::Duration(90_000)))),
    ]))
}

fn place(start: usize, end: usize) -> Span {
    Span { file: 0, start: start as u32, end: end as u32 }
}

fn value(text: &str) -> Result<Value, Fault> {
    let expr = parse(text, &place).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    check(&expr, &vars(), None).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    eval(&expr, &vars())
}

fn is(text: &str) -> bool {
    match value(text) {
        Ok(Value::Flag(flag)) => flag,
        other => panic!("{text}: {other:?}"),
    }
}

fn refused(text: &str) -> (u32, String) {
    match parse(text, &place) {
        Err(error) => (error.span.start, error.message + &error.hint.map(|h| format!(" ({h})")).unwrap_or_default()),
        Ok(expr) => match check(&expr, &vars(), None) {
            Err(error) => {
                (error.span.start, error.message + &error.hint.map(|h| format!(" ({h})")).unwrap_or_default())
            }
            Ok(ty) => panic!("{text} is a {ty:?}"),
        },
    }
}

#[test]
fn conditions_read_as_they_are_written() {
    assert!(is("balance < 0"));
    assert!(is("balance = -12.50"));
    assert!(is("balance < 0 and not vip or false"));
    assert!(is("not vip and count > 3 + 1 * 3 - 1"));
    assert!(is("2 + 3 * 4 = 14 and (2 + 3) * 4 = 20 and 10 - 4 - 3 = 3"));
    assert!(is("lang = \"zh\" and lang in ['zh', 'en']"));
    assert!(is("account starts_with '310' and length(account) = 10 and last(account, 4) = '4569'"));
    assert!(is("days_between(due, now) = 7 and due < 2026-03-02"));
    assert!(is("now > 2026-03-08T14:00 and wait <= 2m and wait + 30s = 2m"));
    assert!(is("contact is not set and account is set"));
}

#[test]
fn an_unset_variable_behind_is_set_is_never_read() {
    assert!(is("contact is not set or length(contact) = 11"));
    assert!(!is("contact is set and length(contact) = 11"));
    assert_eq!(value("length(contact) = 11"), Err(Fault::Unset));
}

#[test]
fn amounts_are_exact_and_rounded_as_a_bill_rounds() {
    assert!(is("1.1 + 2.2 = 3.3"));
    assert_eq!(value("balance * 1.1"), Ok(Value::Money(-1375)));
    assert_eq!(value("balance / 3"), Ok(Value::Money(-417)));
    assert_eq!(value("balance + 0.05"), Ok(Value::Money(-1245)));
    assert_eq!(value("7 / 2"), Ok(Value::Number(3_500_000)));
    assert_eq!(value("-7 / 2 - 1"), Ok(Value::Number(-4_500_000)));
    assert_eq!(value("due + 10d"), Ok(Value::Date(crate::ivr::value::date("2026-03-11").unwrap())));
}

#[test]
fn arithmetic_out_of_range_is_a_fault_and_no_number() {
    assert_eq!(value("count / (count - 7) > 1"), Err(Fault::DivideByZero));
    assert_eq!(value("9000000000000 * 9000000000000"), Err(Fault::Range));
    assert_eq!(value("balance * 9000000000000 * 9000000000000"), Err(Fault::Range));
    assert_eq!(value("due + 99999999d"), Err(Fault::Range));
}

#[test]
fn a_mistake_is_found_where_it_stands_and_answered_with_the_cure() {
    let cases = [
        ("balanse < 0", 0, "there is no variable `balanse` (did you mean `balance`?)"),
        ("balance < \"x\"", 10, "something that `<` can order is needed here, not the text \"x\""),
        ("balance < 0.001", 10, "`<` compares money with the number 0.001 (money has two places after the point)"),
        ("account = 310", 10, "`=` compares digits with the int 310 (put digits in quotes: \"123\")"),
        ("lang = \"fr\"", 7, "`=` compares one_of with the text \"fr\" (it is one of zh, en)"),
        ("lang = zh", 7, "there is no variable `zh` (declare it under `vars:`, or put a fixed text in quotes)"),
        ("vip and count", 8, "a condition is needed here, not int"),
        ("count < 5 < 6", 10, "comparisons cannot be chained; join them with `and`"),
        ("balance == 0", 8, "`==` is not a sign here (write `=`)"),
        ("vip && vip", 4, "this sign is not used here (write `and` or `or`)"),
        ("{{ vip }}", 0, "no braces are needed in an expression (write the variable's name alone)"),
        ("count >", 7, "something is missing here"),
        ("(count > 1", 10, "`)` is missing here"),
        ("count is 4", 9, "after `is` comes `set`; to compare, write `=`"),
        ("lenght(account)", 0, "there is no function `lenght` (did you mean `length`?)"),
        ("wait > 6 s", 9, "the expression should end here"),
        ("due + balance", 0, "`+` cannot take date and money"),
        ("count > 12ab", 8, "this is not a number"),
        ("account = “1”", 10, "a curly quote (use plain quotes \"…\")"),
    ];
    for (text, at, message) in cases {
        let (start, found) = refused(text);
        assert!(found.starts_with(message), "{text}: {found}");
        assert_eq!(start as usize, at, "{text}: {found}");
    }
}

#[test]
fn an_expression_cannot_exhaust_the_stack() {
    assert!(refused(&format!("{}vip", "not ".repeat(100))).1.contains("too deep"));
    assert!(refused(&format!("{}1", "(".repeat(400))).1.contains("too deep"));
    assert!(refused(&"- ".repeat(200)).1.contains("too deep"));
    assert!(refused(&"vip or ".repeat(100)).1.contains("at most"));
}

#[test]
fn only_what_was_tested_counts_as_set() {
    let unsure = |text: &str| {
        let mut names = Vec::new();
        parse(text, &place).unwrap().reads(&mut |name, _, guarded| {
            if !guarded {
                names.push(name.to_string());
            }
        });
        names
    };
    assert_eq!(unsure("contact is set and length(contact) = 11"), Vec::<String>::new());
    assert_eq!(unsure("contact is set or length(contact) = 11"), ["contact"]);
    assert_eq!(unsure("not (contact is set) or length(contact) = 11"), Vec::<String>::new());
    assert_eq!(unsure("(contact is set and vip) or contact = '1'"), ["vip", "contact"]);
}

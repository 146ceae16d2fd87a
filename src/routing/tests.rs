use super::*;
use crate::events::Source;

fn route(number: &str, flow: &str, open_to: OpenTo) -> Route {
    Route::new(number.parse().unwrap(), Destination::Flow(flow.into()), open_to)
}

fn open(number: &str, flow: &str) -> Route {
    route(number, flow, OpenTo::everyone_known())
}

fn table(routes: Vec<Route>) -> RouteTable {
    RouteTable::new(routes, []).unwrap()
}

/// Where a number leads for a caller.
fn leads(table: &RouteTable, called: &str, source: &Source) -> Result<Destination, Closed> {
    table.route(called, source).map(|route| route.to.clone())
}

fn carrier() -> Source {
    Source::Trunk(TrunkId::new("carrier"))
}

fn phone() -> Source {
    Source::Extension(AgentId::new("1001"))
}

fn flow_of(table: &RouteTable, number: &str) -> Option<String> {
    match leads(table, number, &carrier()) {
        Ok(Destination::Flow(flow)) => Some(flow),
        _ => None,
    }
}

#[test]
fn the_most_special_route_decides_whatever_the_order_in_the_file() {
    let mut routes = vec![
        open("955*", "short prefix"),
        open("_955XX", "five digits"),
        open("_9559X", "narrower five digits"),
        open("95598", "whole number"),
        open("9551*", "long prefix"),
        open("_95.", "open pattern"),
    ];
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        let table = table(routes.clone());
        let flow = |number| flow_of(&table, number).unwrap_or_default();
        assert_eq!(flow("95598"), "whole number");
        assert_eq!(flow("95599"), "narrower five digits");
        assert_eq!(flow("95511"), "five digits");
        assert_eq!(flow("955112"), "long prefix");
        assert_eq!(flow("955"), "short prefix");
        assert_eq!(flow("951234"), "open pattern");
        assert_eq!(leads(&table, "95", &carrier()), Err(Closed::NotFound));
    }
}

#[test]
fn a_number_is_closed_to_sources_that_it_does_not_name_and_no_wider_route_opens_it() {
    let only_partner = OpenTo { trunks: OpenTrunks::Only([TrunkId::new("partner")].into()), extensions: false };
    let table = table(vec![route("95598", "hotline", only_partner), open("9*", "wide")]);
    assert_eq!(leads(&table, "95598", &carrier()), Err(Closed::NotOpen));
    assert_eq!(leads(&table, "95598", &phone()), Err(Closed::NotOpen));
    assert!(leads(&table, "95598", &Source::Trunk(TrunkId::new("partner"))).is_ok());
    assert_eq!(flow_of(&table, "95597").as_deref(), Some("wide"));
}

#[test]
fn an_extension_is_open_to_extensions_and_to_no_trunk() {
    let to = Destination::Extension(AgentId::new("1002"));
    let number = NumberPattern::exact("1002").unwrap();
    let table = table(vec![Route::new(number, to.clone(), OpenTo::extensions())]);
    assert_eq!(leads(&table, "1002", &phone()), Ok(to));
    assert_eq!(leads(&table, "1002", &carrier()), Err(Closed::NotOpen));
    assert_eq!(leads(&table, "1003", &phone()), Err(Closed::NotFound));
}

#[test]
fn a_number_is_found_however_it_is_punctuated() {
    let table = table(vec![open("+864008001234", "national"), open("john.doe", "person"), open("*97", "feature")]);
    for number in ["+864008001234", "+86-400-800-1234", "+86(400)8001234;phone-context=example.com"] {
        assert_eq!(flow_of(&table, number).as_deref(), Some("national"), "{number}");
    }
    assert_eq!(flow_of(&table, "john.doe").as_deref(), Some("person"));
    assert_eq!(flow_of(&table, "johndoe"), None);
    assert_eq!(flow_of(&table, "*97").as_deref(), Some("feature"));
}

#[test]
fn hostile_numbers_lead_nowhere() {
    let table = table(vec![open("9*", "nine"), open("_X.", "digits")]);
    let long = "9".repeat(100_000);
    for number in ["", ";", "-", long.as_str(), "\u{0}", "é", "((((("] {
        assert_eq!(leads(&table, number, &carrier()), Err(Closed::NotFound), "{}", number.escape_debug());
    }
    assert_eq!(flow_of(&table, "9é").as_deref(), Some("nine"));
}

#[test]
fn sets_and_classes_match_their_digits_only() {
    let table = table(vec![open("_1[3-58]XNZ", "set")]);
    for number in ["13021", "14999", "15021", "18021"] {
        assert!(flow_of(&table, number).is_some(), "{number}");
    }
    for number in ["16021", "13011", "13020", "1302", "130211", "1a021"] {
        assert!(flow_of(&table, number).is_none(), "{number}");
    }
}

#[test]
fn a_pattern_that_cannot_be_meant_is_refused_with_what_to_write() {
    let error = |text: &str| text.parse::<NumberPattern>().unwrap_err();
    assert_eq!(error(""), PatternError::Empty);
    assert_eq!(error("_"), PatternError::Empty);
    assert_eq!(error("12/34"), PatternError::Unexpected('/'));
    assert_eq!(error("_1[5-3]"), PatternError::BadSet);
    assert_eq!(error("_1["), PatternError::BadSet);
    assert_eq!(error("_1[]"), PatternError::BadSet);
    assert_eq!(error("_1[x]"), PatternError::Unexpected('x'));
    assert_eq!(error("_1.2"), PatternError::DotInside);
    assert_eq!(error(&"1".repeat(65)), PatternError::TooLong);
    assert!(error("_1[").to_string().contains("[2-57]"));
}

#[test]
fn a_pattern_is_written_as_it_is_read() {
    for text in ["95598", "0086*", "_9XZN", "_1[358]X.", "*"] {
        assert_eq!(text.parse::<NumberPattern>().unwrap().to_string(), text);
    }
}

#[test]
fn the_same_number_twice_is_refused() {
    let error = RouteTable::new(vec![open("95598", "a"), open("955-98", "b")], []).unwrap_err();
    assert_eq!(error, TableError::Twice(NumberPattern::Exact("95598".into())));
    let error = RouteTable::new(vec![open("_9X", "a"), open("_9[0-9]", "b")], []).unwrap_err();
    assert!(matches!(error, TableError::Twice(_)));
}

#[test]
fn a_trunk_is_known_by_the_smallest_block_around_the_senders_address() {
    let sources = [("10.0.0.0/8", "wide"), ("10.1.0.0/16", "narrow"), ("10.1.2.3", "one"), ("2001:db8::/32", "six")];
    let sources = sources.map(|(block, trunk)| (block.parse().unwrap(), TrunkId::new(trunk)));
    let table = RouteTable::new(Vec::new(), sources).unwrap();
    let trunk = |address: &str| table.trunk_of(address.parse().unwrap()).map(|trunk| trunk.to_string());
    assert_eq!(trunk("10.9.9.9").as_deref(), Some("wide"));
    assert_eq!(trunk("10.1.9.9").as_deref(), Some("narrow"));
    assert_eq!(trunk("::ffff:10.1.2.3").as_deref(), Some("one"));
    assert_eq!(trunk("2001:db8::7").as_deref(), Some("six"));
    assert_eq!(trunk("192.0.2.1"), None);
    let (block, _) = table.source_of("10.1.9.9".parse().unwrap()).unwrap();
    assert_eq!(block.to_string(), "10.1.0.0/16");
}

#[test]
fn one_block_cannot_belong_to_two_trunks() {
    let block: Cidr = "10.0.0.0/8".parse().unwrap();
    let sources = [(block, TrunkId::new("a")), (block, TrunkId::new("b"))];
    let error = RouteTable::new(Vec::new(), sources).unwrap_err();
    assert!(error.to_string().contains("trunk a and of trunk b"), "{error}");
}

#[test]
fn an_explanation_says_which_route_which_others_and_who_may() {
    let only = OpenTo::trunks([TrunkId::new("partner")]);
    let mut hotline = route("95598", "power", only);
    hotline.project = Some(ProjectId::new("grid"));
    let table = table(vec![hotline, open("955*", "other")]);
    let said = table.examine("955-98", Some(&carrier()));
    assert_eq!((said.number.as_str(), said.open), ("95598", false));
    assert_eq!(said.best.unwrap().project, Some(ProjectId::new("grid")));
    assert_eq!(said.others.iter().map(|route| route.number.to_string()).collect::<Vec<_>>(), ["955*"]);
    assert!(table.examine("95598", Some(&phone())).open);
    assert!(table.examine("1", Some(&phone())).best.is_none());
    assert!(!table.examine("95598", None).open, "a stranger");
}

#[test]
fn separators_hide_no_prefix() {
    for written in ["0 0449-123", "00(449)123", "0\u{a0}0449.123"] {
        assert_eq!(dialled(written), "00449123", "{written:?}");
    }
    assert_eq!(dialled("line 1.a"), "line 1.a", "a name is left as it is");
}

//! Which statements are rules, and what they make of messages.

use super::*;
use skytether_core::link::QoS;

const NOW: u64 = 1_700_000_000;

fn rule(sql: &str) -> Rule {
    Rule::new(&Definition::republish("r", sql, "P/d/out")).unwrap()
}

fn run(sql: &str, topic: &str, payload: &str) -> Outcome {
    rule(sql).evaluate(&Message::from_topic(topic, payload.as_bytes(), QoS::AtMostOnce, NOW), &mut Rng::new([1; 32]))
}

/// The payload that a rule on `P/d/event` makes of `payload`.
fn made(sql: &str, payload: &str) -> Result<String, NotMatched> {
    match run(sql, "P/d/event", payload) {
        Outcome::Matched(actions) => Ok(String::from_utf8(actions[0].clone().unwrap().payload).unwrap()),
        Outcome::NotMatched(why) => Err(why),
    }
}

/// Whether a condition holds for a payload.
fn holds(condition: &str, payload: &str) -> bool {
    made(&format!("SELECT * FROM P/d/event WHERE {condition}"), payload).is_ok()
}

fn fault(sql: &str) -> (usize, SqlFault) {
    match Rule::new(&Definition::republish("r", sql, "P/d/out")) {
        Err(RuleError::Sql { at, fault }) => (at, fault),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn the_door_of_the_demo_reaches_the_air_conditioner() {
    let sql = "SELECT action, targetDevice FROM DOORPRD9A1/door1/event WHERE targetDevice = 'AirConditioner1'";
    let rule = Rule::new(&Definition::republish("demo", sql, "AIRCPRD7B2/${targetDevice}/control")).unwrap();
    let payload = br#"{"action": "come_home", "targetDevice": "AirConditioner1"}"#;
    let message = Message::from_topic("DOORPRD9A1/door1/event", payload, QoS::AtLeastOnce, NOW);
    let expected = Republish {
        topic: "AIRCPRD7B2/AirConditioner1/control".to_owned(),
        payload: br#"{"action":"come_home","targetDevice":"AirConditioner1"}"#.to_vec(),
        qos: QoS::AtLeastOnce,
    };
    assert_eq!(rule.evaluate(&message, &mut Rng::new([0; 32])), Outcome::Matched(vec![Ok(expected)]));
}

#[test]
fn a_star_passes_any_bytes_on_and_a_condition_needs_an_object() {
    let literal = r#""{\"action\": \"come_home\"}""#;
    assert_eq!(made("SELECT * FROM P/d/event", literal).as_deref(), Ok(literal));
    assert_eq!(made("SELECT * FROM P/d/event", "\u{1}not json").as_deref(), Ok("\u{1}not json"));
    let filtered = "SELECT * FROM P/d/event WHERE action = 'come_home'";
    assert_eq!(made(filtered, literal), Err(NotMatched::MissingField("action".into())));
    assert_eq!(made(filtered, "not json"), Err(NotMatched::NotJsonObject));
    assert_eq!(made("SELECT * FROM P/d/event WHERE payloadLen() > 0", "[1]"), Err(NotMatched::NotJsonObject));
}

#[test]
fn with_the_option_an_object_inside_a_json_string_is_looked_into_and_passed_on_as_it_was() {
    let literal = r#""{\"action\": \"come_home\"}""#;
    let sql = "SELECT * FROM P/d/event WHERE action = 'come_home'";
    let definition = Definition { unwrap_json_string: true, ..Definition::republish("r", sql, "P/${action}/x") };
    let message = Message::from_topic("P/d/event", literal.as_bytes(), QoS::AtMostOnce, NOW);
    let outcome = Rule::new(&definition).unwrap().evaluate(&message, &mut Rng::new([0; 32]));
    let expected = Republish { topic: "P/come_home/x".to_owned(), payload: literal.into(), qos: QoS::AtMostOnce };
    assert_eq!(outcome, Outcome::Matched(vec![Ok(expected)]));
}

#[test]
fn keywords_come_in_any_case_and_topics_bare_or_quoted() {
    for sql in ["select * from P/d/event", "SeLeCt * FrOm 'P/d/event' ;", "SELECT * FROM \"P/d/event\"\n where 1=1"] {
        assert_eq!(made(sql, "{}").as_deref(), Ok("{}"), "{sql}");
    }
    assert_eq!(made("SELECT * FROM P/+/other", "{}"), Err(NotMatched::Topic));
}

#[test]
fn the_order_of_fields_and_the_spelling_of_numbers_are_kept() {
    let payload = r#"{"z":1.50,"a":[1, {"k": "x y"}],"n":{"m":1e2},"t":"\u00e9\n","big":12345678901234567890123}"#;
    assert_eq!(
        made("SELECT big, z, a, n.m, t AS text, n FROM P/d/event", payload).as_deref(),
        Ok(r#"{"big":12345678901234567890123,"z":1.50,"a":[1,{"k":"x y"}],"n.m":1e2,"text":"é\n","n":{"m":1e2}}"#)
    );
}

#[test]
fn operators_bind_as_documented() {
    let payload = r#"{"a":7,"b":"y","c":2.5,"t":true,"n":null,"s":"7"}"#;
    for yes in [
        "1 + 2 * 3 = 7",
        "(1 + 2) * 3 = 9",
        "7 - 2 - 1 = 4",
        "a % 3 = 1 AND (b = 'x' OR a + 2 >= 9)",
        "a = 7 OR b = 'y' AND a = 8",
        "c * 2 = 5",
        "-a = -7",
        "a - -1 = 8",
        "a <> s",
        "b <> 7",
        "t",
        "t = true",
        "n = null",
        "'a' < 'b'",
        "'it''s' = \"it's\"",
        "a >= 7 AND a <= 7",
        "7.0 = a",
    ] {
        assert!(holds(yes, payload), "{yes}");
    }
    for no in ["(a = 7 OR b = 'y') AND a = 8", "a = s", "a < s", "a > s", "a", "b", "t = 1", "a < 7", "n < 1"] {
        assert!(!holds(no, payload), "{no}");
    }
}

#[test]
fn an_absent_field_shows_wherever_it_stands() {
    let missing = Err(NotMatched::MissingField("gone".into()));
    assert_eq!(made("SELECT gone FROM P/d/event", "{}"), missing);
    assert_eq!(made("SELECT * FROM P/d/event WHERE 1 = 1 OR gone = 2", "{}"), missing);
    assert_eq!(made("SELECT * FROM P/d/event WHERE 1 = 2 AND gone = 2", "{}"), missing);
    assert_eq!(made("SELECT * FROM P/d/event WHERE upper(gone) = 'A'", "{}"), missing);
}

#[test]
fn what_has_no_value_is_named() {
    for sql in [
        "SELECT a / 0 AS x FROM P/d/event",
        "SELECT a + b AS x FROM P/d/event",
        "SELECT -b AS x FROM P/d/event",
        "SELECT upper(o) AS x FROM P/d/event",
        "SELECT topic(9) AS x FROM P/d/event",
        "SELECT topic(0) AS x FROM P/d/event",
        "SELECT randint(2, 1) AS x FROM P/d/event",
        "SELECT crypto(b, b) AS x FROM P/d/event",
        "SELECT replace(b, 'x', big) AS x FROM P/d/event",
    ] {
        let payload = format!(r#"{{"a":1,"b":"{}","o":{{}},"big":"{}"}}"#, "x".repeat(3000), "y".repeat(3000));
        assert!(matches!(made(sql, &payload), Err(NotMatched::NoValue(_))), "{sql}");
    }
}

#[test]
fn every_function_gives_what_its_row_says() {
    let payload = r#"{"name":"aBc","n":-3}"#;
    let one = |call: &str| made(&format!("SELECT {call} AS x FROM P/d/event"), payload).unwrap();
    let cases = [
        ("productId()", r#""P""#),
        ("DEVICENAME()", r#""d""#),
        ("timestamp()", "1700000000"),
        ("topic()", r#""P/d/event""#),
        ("topic(3)", r#""event""#),
        ("payloadLen()", "21"),
        ("upper(name)", r#""ABC""#),
        ("lower(name)", r#""abc""#),
        ("concat(name, '-x')", r#""aBc-x""#),
        ("concat(n, 1.50)", r#""-31.50""#),
        ("replace(name, 'B', 'bb')", r#""abbc""#),
        ("replace(name, '', 'z')", r#""aBc""#),
        ("substring(name, 1, 2)", r#""B""#),
        ("substring('äöü', 1, 99)", r#""öü""#),
        ("substring(name, 2, 1)", r#""""#),
        ("abs(n)", "3"),
        ("abs(-1.5)", "1.5"),
        ("requestId()", r#""""#),
        ("randint(4, 4)", "4"),
        ("crypto('abc', 'MD5')", r#""900150983cd24fb0d6963f7d28e17f72""#),
        ("crypto('abc', 'SHA1')", r#""a9993e364706816aba3e25717850c26c9cd0d89d""#),
        ("crypto('abc', 'SHA256')", r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#),
    ];
    for (call, value) in cases {
        assert_eq!(one(call), format!("{{\"x\":{value}}}"), "{call}");
    }
    assert_eq!(one("crypto('abc', 'SHA384')").len(), 96 + 8);
    assert_eq!(one("crypto('abc', 'SHA512')").len(), 128 + 8);
}

#[test]
fn random_functions_stay_in_their_ranges_and_follow_the_seed() {
    let rule = rule("SELECT randint(-2, 2) AS i, random() AS f, newuuid() AS u FROM P/d/event");
    let message = Message::from_topic("P/d/event", b"{}", QoS::AtMostOnce, NOW);
    let (mut rng, mut again) = (Rng::new([3; 32]), Rng::new([3; 32]));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let outcome = rule.evaluate(&message, &mut rng);
        assert_eq!(outcome, rule.evaluate(&message, &mut again));
        let Outcome::Matched(actions) = outcome else { panic!("it matches everything") };
        let value: serde_json::Value = serde_json::from_slice(&actions[0].as_ref().unwrap().payload).unwrap();
        seen.insert(value["i"].as_i64().unwrap());
        assert!((0.0..1.0).contains(&value["f"].as_f64().unwrap()));
        let uuid = value["u"].as_str().unwrap();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
}

#[test]
fn functions_of_bytes_read_payloads_that_are_no_json() {
    let rule = rule("SELECT to_hex() AS h, bin_to_dec() AS d FROM P/d/event WHERE bin_to_dec() = 258");
    let message = Message::from_topic("P/d/event", &[1, 2], QoS::AtMostOnce, NOW);
    let Outcome::Matched(actions) = rule.evaluate(&message, &mut Rng::new([0; 32])) else { panic!("258 is 0x0102") };
    assert_eq!(actions[0].as_ref().unwrap().payload, br#"{"h":"0102","d":258}"#);
}

#[test]
fn placeholders_take_aliases_functions_and_with_a_star_the_members() {
    let target = |sql: &str, target: &str| {
        let rule = Rule::new(&Definition::republish("r", sql, target)).unwrap();
        let payload = br##"{"a":"x","n":4,"o":{"p":"q"},"bad":"#/+"}"##;
        let message = Message::from_topic("P/d/event", payload, QoS::AtMostOnce, NOW);
        match rule.evaluate(&message, &mut Rng::new([0; 32])) {
            Outcome::Matched(mut actions) => actions.remove(0).map(|republish| republish.topic),
            Outcome::NotMatched(why) => panic!("{why}"),
        }
    };
    let (star, fields) = ("SELECT * FROM P/d/event", "SELECT a AS b, n, o, bad FROM P/d/event");
    assert_eq!(target(star, "Q/${a}-${n}/${o.p}").as_deref(), Ok("Q/x-4/q"));
    assert_eq!(target(fields, "Q/${b}/${ n }").as_deref(), Ok("Q/x/4"));
    assert_eq!(target(fields, "${productId()}/${upper(b)}/z").as_deref(), Ok("P/X/z"));
    assert_eq!(target("SELECT o.p FROM P/d/event", "Q/${o.p}").as_deref(), Ok("Q/q"));
    assert_eq!(target(fields, "Q/${a}"), Err(ActionFailed::Unresolved("a".into())));
    assert_eq!(target(fields, "Q/${o}"), Err(ActionFailed::Unresolved("o".into())));
    assert!(matches!(target(fields, "Q/${bad}"), Err(ActionFailed::Topic { .. })));
}

#[test]
fn one_action_that_fails_does_not_stop_the_others() {
    let mut definition = Definition::republish("r", "SELECT * FROM P/d/event", "Q/${gone}");
    definition.actions.push(Action::Republish { topic: "Q/d/x".to_owned() });
    let message = Message::from_topic("P/d/event", b"{}", QoS::AtMostOnce, NOW);
    let Outcome::Matched(actions) = Rule::new(&definition).unwrap().evaluate(&message, &mut Rng::new([0; 32])) else {
        panic!("it matches everything")
    };
    assert!(actions[0].is_err());
    assert_eq!(actions[1].as_ref().unwrap().topic, "Q/d/x");
}

#[test]
fn a_result_over_16_kib_is_not_published() {
    let Outcome::Matched(actions) =
        run("SELECT concat(a, a) AS b FROM P/d/event", "P/d/event", &format!("{{\"a\":\"{}\"}}", "x".repeat(9000)))
    else {
        panic!("it matches everything")
    };
    assert_eq!(actions, [Err(ActionFailed::PayloadTooLarge { len: 18_008 })]);
}

#[test]
fn each_fault_of_a_statement_is_placed_and_named() {
    let cases = [
        ("SELEC * FROM a", 1, SqlFault::ExpectedKeyword("SELECT")),
        ("SELECT * a", 10, SqlFault::ExpectedKeyword("FROM")),
        ("SELECT FROM a", 8, SqlFault::ReservedWord("FROM".into())),
        ("SELECT a b FROM a", 10, SqlFault::ExpectedKeyword("FROM")),
        ("SELECT *, a FROM a", 9, SqlFault::StarNotAlone),
        ("SELECT a, * FROM a", 11, SqlFault::StarNotAlone),
        ("SELECT a AS , b FROM a", 13, SqlFault::ExpectedName),
        ("SELECT a AS x, b AS x FROM a", 16, SqlFault::DuplicateName("x".into())),
        ("SELECT a. FROM", 15, SqlFault::ExpectedKeyword("FROM")),
        ("SELECT a.1 FROM a", 10, SqlFault::ExpectedName),
        ("SELECT a[0] FROM a", 9, SqlFault::UnexpectedCharacter('[')),
        ("SELECT * FROM", 14, SqlFault::ExpectedTopic),
        ("SELECT * FROM 'a", 15, SqlFault::UnclosedQuote),
        ("SELECT * FROM a/b+/c", 15, SqlFault::TopicInvalid("+ must be a whole level")),
        ("SELECT * FROM a WHER b", 17, SqlFault::ExpectedKeyword("WHERE")),
        ("SELECT * FROM a WHERE", 22, SqlFault::ExpectedOperand),
        ("SELECT * FROM a WHERE b = ", 26, SqlFault::ExpectedOperand),
        ("SELECT * FROM a WHERE (b = 1", 29, SqlFault::ExpectedClose),
        ("SELECT * FROM a WHERE b = 1 c", 29, SqlFault::TrailingText),
        ("SELECT * FROM a WHERE b = 1 = 2", 29, SqlFault::ChainedComparison),
        ("SELECT * FROM a WHERE b != 1", 25, SqlFault::UnexpectedCharacter('!')),
        ("SELECT * FROM a WHERE b = 1x", 27, SqlFault::NumberInvalid),
        ("SELECT * FROM a WHERE ä = 'ö", 27, SqlFault::UnclosedQuote),
        ("SELECT nope() FROM a", 8, SqlFault::UnknownFunction("nope".into())),
        ("SELECT upper() FROM a", 8, SqlFault::WrongArguments { usage: "upper(field)" }),
        ("SELECT crypto(a,'MD4') FROM a", 8, SqlFault::UnknownDigest("MD4".into())),
    ];
    for (sql, at, expected) in cases {
        assert_eq!(fault(sql), (at, expected), "{sql}");
    }
}

#[test]
fn statements_are_bounded_in_length_and_depth() {
    let fields = |len: usize| format!("SELECT {} FROM a", "f".repeat(len));
    assert!(Rule::new(&Definition::republish("r", &fields(300), "P/d")).is_ok());
    assert_eq!(fault(&fields(301)), (8, SqlFault::FieldsTooLong));
    let deep = |n: usize| format!("SELECT * FROM a WHERE {}1{} = 1", "(".repeat(n), ")".repeat(n));
    assert!(Rule::new(&Definition::republish("r", &deep(24), "P/d")).is_ok());
    assert_eq!(fault(&deep(25)).1, SqlFault::TooDeep);
    assert_eq!(fault(&format!("SELECT * FROM a WHERE {}1 = 1", "-".repeat(1000))).1, SqlFault::TooDeep);
    let long = format!("SELECT * FROM a WHERE 1{} = 1", " + 1".repeat(1000));
    assert!(Rule::new(&Definition::republish("r", &long, "P/d")).is_ok());
    assert_eq!(fault(&format!("{long}{}", " ".repeat(100))).1, SqlFault::TooLong);
}

#[test]
fn names_descriptions_actions_and_targets_are_bounded() {
    let good = Definition::republish("come_home_1", "SELECT * FROM a", "P/d/x");
    let wrong = |change: &dyn Fn(&mut Definition)| {
        let mut bad = good.clone();
        change(&mut bad);
        Rule::new(&bad).unwrap_err()
    };
    assert_eq!(wrong(&|d| d.name.clear()), RuleError::Name);
    assert_eq!(wrong(&|d| d.name = "a".repeat(33)), RuleError::Name);
    assert_eq!(wrong(&|d| d.name = "a-b".to_owned()), RuleError::Name);
    assert_eq!(wrong(&|d| d.description = "ä".repeat(257)), RuleError::Description);
    assert_eq!(wrong(&|d| d.actions.clear()), RuleError::Actions(0));
    assert_eq!(wrong(&|d| d.actions = vec![d.actions[0].clone(); 11]), RuleError::Actions(11));
    let target = |topic: &'static str| wrong(&move |d| d.actions = vec![Action::Republish { topic: topic.to_owned() }]);
    assert!(matches!(target("P/ä${x"), RuleError::Target { action: 1, at: 4, .. }));
    assert!(matches!(target("P/${}"), RuleError::Target { action: 1, at: 3, .. }));
    assert!(matches!(target("P/+/x"), RuleError::Target { .. }));
    assert!(matches!(target("${a}/#"), RuleError::Target { .. }));
    assert!(matches!(target(""), RuleError::Target { .. }));
}

#[test]
fn an_account_has_a_thousand_rules_of_different_names() {
    let mut rules = Rules::default();
    let named = |name: &str| Rule::new(&Definition::republish(name, "SELECT * FROM a", "P/d")).unwrap();
    for number in 0..RULES {
        rules.add(named(&format!("r{number}"))).unwrap();
    }
    assert_eq!(rules.add(named("more")), Err(RuleError::TooMany));
    assert!(rules.remove("r7"));
    assert!(!rules.remove("r7"));
    assert_eq!(rules.add(named("r8")), Err(RuleError::Duplicate("r8".into())));
    assert_eq!(rules.add(named("r7")), Ok(()));
    let off = Definition { enabled: false, ..Definition::republish("off", "SELECT * FROM a", "P/d") };
    assert!(rules.remove("r7"));
    rules.add(Rule::new(&off).unwrap()).unwrap();
    assert_eq!(rules.enabled().count(), RULES - 1);
}

#[test]
fn a_definition_reads_the_api_form_of_actions() {
    let json = r#"{"name":"r","sql":"SELECT * FROM a","actions":[{"republish":{"topic":"P/d/x"}}]}"#;
    let definition: Definition = serde_json::from_str(json).unwrap();
    assert_eq!(definition, Definition::republish("r", "SELECT * FROM a", "P/d/x"));
}

proptest::proptest! {
    #[test]
    fn hostile_statements_never_panic(sql in "\\PC{0,80}") {
        drop(Rule::new(&Definition::republish("r", &sql, &sql)));
        drop(Rule::new(&Definition::republish("r", &format!("SELECT {sql} FROM a"), "P/d")));
        drop(Rule::new(&Definition::republish("r", &format!("SELECT * FROM a WHERE {sql}"), "P/d")));
    }

    #[test]
    fn statements_of_known_words_never_panic_and_evaluate_alike_twice(
        words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..14),
        payload in proptest::sample::select(&PAYLOADS[..]),
    ) {
        let sql = format!("SELECT {} FROM '#' WHERE {}", words[..words.len() / 2].join(" "), words[words.len() / 2..].join(" "));
        if let Ok(rule) = Rule::new(&Definition::republish("r", &sql, "P/${a}/${upper(b)}")) {
            let message = Message::from_topic("P/d/event", payload, QoS::AtMostOnce, NOW);
            let once = rule.evaluate(&message, &mut Rng::new([5; 32]));
            proptest::prop_assert_eq!(once, rule.evaluate(&message, &mut Rng::new([5; 32])));
        }
    }

    #[test]
    fn hostile_payloads_never_panic(payload: Vec<u8>, text in "[\\[\\]{}\",:0-9a\\\\u \\n]{0,60}") {
        let rule = rule("SELECT a, a.b, upper(a) AS u FROM '#' WHERE a <> 1");
        for payload in [payload.as_slice(), text.as_bytes()] {
            rule.evaluate(&Message::from_topic("P", payload, QoS::AtMostOnce, NOW), &mut Rng::new([5; 32]));
        }
    }
}

const WORDS: [&str; 33] = [
    "a",
    "b",
    "o.p",
    "1",
    "2.5",
    "-",
    "+",
    "*",
    "/",
    "%",
    "=",
    "<>",
    "<",
    ">=",
    "(",
    ")",
    ",",
    "AND",
    "OR",
    "AS",
    "x",
    "'t'",
    "true",
    "null",
    "upper(",
    "concat(",
    "substring(",
    "abs(",
    "randint(",
    "topic(",
    "9223372036854775807",
    "newuuid()",
    "replace('aaa', 'a', 'bb')",
];

const PAYLOADS: [&[u8]; 6] = [
    b"{\"a\":1,\"b\":\"t\",\"o\":{\"p\":-9223372036854775808}}",
    b"{\"a\":\"\\ud800\",\"b\":[],\"o\":{\"p\":1e999}}",
    b"{}",
    b"[1]",
    b"\xff\xfe",
    b"",
];

use super::*;
use std::collections::BTreeMap;

/// The texts of prompts/atoms.yaml: a line `a_0: {zh: "零", en: "zero"}` each.
fn atom_texts(lang: &str) -> BTreeMap<String, String> {
    let yaml = include_str!("../../../prompts/atoms.yaml");
    let mark = format!("{lang}: \"");
    yaml.lines()
        .filter_map(|line| {
            let (id, rest) = line.split_once(':')?;
            let text = rest.split_once(&mark)?.1.split_once('"')?.0;
            Some((id.to_string(), text.to_string()))
        })
        .collect()
}

fn said(lang: &str, format: Format, value: Value) -> String {
    let texts = atom_texts(lang);
    let today = Type::Date.read("2026-03-10");
    let Some(Value::Date(today)) = today else { panic!("today") };
    let pieces = read_aloud(&value, format, lang, today);
    let words: Vec<&str> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Atom(id) => texts.get(*id).unwrap_or_else(|| panic!("no {lang} text for {id}")).as_str(),
            Piece::Pause(_) => "·",
        })
        .collect();
    words.join(if lang == "zh" { "" } else { " " })
}

fn golden(lang: &str, format: Format, ty: Type, table: &[(&str, &str)]) {
    for (text, expected) in table {
        let value = ty.read(text).unwrap_or_else(|| panic!("{text} is no {ty:?}"));
        assert_eq!(said(lang, format, value), *expected, "{lang} {} {text}", format.name());
    }
}

#[test]
fn mandarin_numbers_are_read_as_a_person_reads_them() {
    golden(
        "zh",
        Format::Number,
        Type::Int,
        &[
            ("0", "零"),
            ("2", "二"),
            ("10", "十"),
            ("12", "十二"),
            ("20", "二十"),
            ("105", "一百零五"),
            ("110", "一百一十"),
            ("200", "二百"),
            ("222", "二百二十二"),
            ("1005", "一千零五"),
            ("1010", "一千零一十"),
            ("2000", "两千"),
            ("2200", "两千二百"),
            ("10000", "一万"),
            ("20000", "两万"),
            ("22000", "两万二千"),
            ("100000", "十万"),
            ("100500", "十万零五百"),
            ("102000", "十万零二千"),
            ("110000", "十一万"),
            ("200000", "二十万"),
            ("20000000", "两千万"),
            ("20002000", "两千万零二千"),
            ("1020000", "一百零二万"),
            ("1050001234", "十亿零五千万零一千二百三十四"),
            ("100000000", "一亿"),
            ("100005000", "一亿零五千"),
            ("150000500", "一亿五千万零五百"),
            ("200000000", "两亿"),
            ("200010000", "两亿零一万"),
            ("1000000000", "十亿"),
            ("648800006026", "六千四百八十八亿零六千零二十六"),
            ("1500000000000", "一万五千亿"),
            ("-35", "负三十五"),
            ("9223372036854775807", "九百二十二亿三千三百七十二万零三百六十八亿五千四百七十七万五千八百零七"),
        ],
    );
    golden("zh", Format::Number, Type::Number, &[("2.5", "二点五"), ("-12.05", "负十二点零五"), ("200", "二百")]);
    golden(
        "zh",
        Format::Count,
        Type::Int,
        &[("0", "零"), ("1", "一"), ("2", "两"), ("12", "十二"), ("102", "一百零二"), ("2000", "两千")],
    );
    golden("zh", Format::Ordinal, Type::Int, &[("1", "第一"), ("2", "第二"), ("12", "第十二")]);
    golden("zh", Format::Percent, Type::Number, &[("12.5", "百分之十二点五"), ("-3", "百分之负三")]);
}

#[test]
fn mandarin_amounts_name_yuan_jiao_and_fen() {
    let table = [
        ("0", "零元"),
        ("0.03", "三分"),
        ("0.30", "三角"),
        ("0.22", "两角两分"),
        ("1", "一元"),
        ("2", "两元"),
        ("2.20", "两元两角"),
        ("12.03", "十二元零三分"),
        ("12.30", "十二元三角"),
        ("12.34", "十二元三角四分"),
        ("22", "二十二元"),
        ("1205.30", "一千二百零五元三角"),
        ("200000", "二十万元"),
        ("-35.50", "负三十五元五角"),
    ];
    golden("zh", Format::Money, Type::Money, &table);
    golden("zh", Format::MoneyAbs, Type::Money, &[("-35.50", "三十五元五角"), ("35.50", "三十五元五角")]);
}

#[test]
fn mandarin_digits_say_yao_and_a_mobile_number_breathes() {
    golden("zh", Format::Digits, Type::Digits, &[("310", "三幺零"), ("*10#", "星号幺零井号")]);
    golden("zh", Format::Phone, Type::Digits, &[("13800138000", "幺三八·零零幺三·八零零零"), ("95598", "九五五九八")]);
}

#[test]
fn mandarin_times_and_days() {
    golden(
        "zh",
        Format::Date,
        Type::Date,
        &[
            ("2026-03-08", "三月八日"),
            ("2025-03-08", "二零二五年三月八日"),
            ("2031-12-20", "二零三一年十二月二十日"),
            ("2026-03-10", "今天"),
            ("2026-03-11", "明天"),
            ("2026-03-09", "昨天"),
        ],
    );
    golden(
        "zh",
        Format::Time,
        Type::Time,
        &[
            ("00:05", "凌晨零点零五分"),
            ("02:00", "凌晨两点整"),
            ("08:30", "上午八点三十分"),
            ("12:00", "中午十二点整"),
            ("14:05", "下午两点零五分"),
            ("20:20", "晚上八点二十分"),
        ],
    );
    golden("zh", Format::Datetime, Type::Datetime, &[("2026-03-10 14:00", "今天下午两点整")]);
    golden(
        "zh",
        Format::Duration,
        Type::Duration,
        &[
            ("0s", "约一分钟"),
            ("61s", "约两分钟"),
            ("5m", "约五分钟"),
            ("301s", "约十分钟"),
            ("12m", "约十五分钟"),
            ("56m", "约一小时"),
            ("2h", "约两小时"),
            ("62m", "约一小时五分钟"),
        ],
    );
}

#[test]
fn english_values() {
    golden(
        "en",
        Format::Number,
        Type::Int,
        &[
            ("0", "zero"),
            ("13", "thirteen"),
            ("42", "forty two"),
            ("105", "one hundred and five"),
            ("300", "three hundred"),
            ("1005", "one thousand and five"),
            ("1234", "one thousand two hundred and thirty four"),
            ("100500", "one hundred thousand five hundred"),
            ("2000000", "two million"),
            ("3000000001", "three billion and one"),
            ("-7", "minus seven"),
        ],
    );
    golden(
        "en",
        Format::Money,
        Type::Money,
        &[
            ("0", "zero yuan"),
            ("12", "twelve yuan"),
            ("12.30", "twelve point three yuan"),
            ("12.03", "twelve point zero three yuan"),
            ("-1205.35", "minus one thousand two hundred and five point three five yuan"),
        ],
    );
    golden(
        "en",
        Format::Ordinal,
        Type::Int,
        &[
            ("1", "first"),
            ("12", "twelfth"),
            ("20", "twentieth"),
            ("21", "twenty first"),
            ("100", "one hundredth"),
            ("101", "number one hundred and one"),
        ],
    );
    golden(
        "en",
        Format::Date,
        Type::Date,
        &[
            ("2026-03-08", "March eighth"),
            ("2031-03-08", "March eighth twenty thirty one"),
            ("2005-12-31", "December thirty first two thousand and five"),
            ("1905-01-02", "January second nineteen oh five"),
            ("2026-03-11", "tomorrow"),
        ],
    );
    golden("en", Format::Datetime, Type::Datetime, &[("2026-03-10 14:05", "today at two oh five P M")]);
    golden("en", Format::Time, Type::Time, &[("00:00", "twelve A M"), ("12:30", "twelve thirty P M")]);
    golden(
        "en",
        Format::Duration,
        Type::Duration,
        &[
            ("10s", "about one minute"),
            ("6m", "about ten minutes"),
            ("61m", "about one hour five minutes"),
            ("2h", "about two hours"),
        ],
    );
    golden("en", Format::Phone, Type::Digits, &[("10086", "one oh oh eight six")]);
    golden("en", Format::Digits, Type::Digits, &[("01X", "zero one X")]);
    golden("en", Format::Percent, Type::Number, &[("12.5", "twelve point five percent")]);
}

#[test]
fn every_atom_that_any_value_needs_is_known_beforehand_and_has_a_text() {
    let mut rest = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        rest = rest.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (rest >> 1) as i64
    };
    for lang in LANGUAGES {
        let texts = atom_texts(lang);
        for (_, format) in FORMATS {
            let known = atoms_of(format, lang);
            assert!(!known.is_empty());
            for id in &known {
                assert!(texts.contains_key(*id), "{lang} {} needs {id}", format.name());
            }
            for _ in 0..500 {
                let size = random() % 63;
                let n = random() >> size;
                let day = (n % 40_000) as i32;
                let values = [
                    Value::Int(n),
                    Value::Number(n),
                    Value::Money(n),
                    Value::Date(day),
                    Value::Time((n.unsigned_abs() % 86_401) as u32),
                    Value::Datetime(i64::from(day) * 86_400 + n % 86_400),
                    Value::Duration(n % 200_000_000),
                    Value::Digits(n.to_string().replace('-', "*")),
                ];
                for value in values {
                    let pieces = read_aloud(&value, format, lang, 0);
                    assert!(pieces.len() < 80);
                    for piece in pieces {
                        let Piece::Atom(id) = piece else { continue };
                        assert!(known.contains(id), "{lang} {} {} needs {id}", format.name(), value.plain());
                    }
                }
            }
        }
    }
}

#[test]
fn a_value_of_the_wrong_type_or_language_says_nothing() {
    assert_eq!(read_aloud(&Value::Int(1), Format::Money, "zh", 0), []);
    assert_eq!(read_aloud(&Value::Int(1), Format::Number, "fr", 0), []);
}

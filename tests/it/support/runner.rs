//! What runners make of the lines of a log: both hosts' parsers written again from their sources, with every command known.

/// A command that a runner would obey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// `error`, `task.setvariable` and so on.
    pub name: String,
    /// Its properties, decoded.
    pub properties: Vec<(String, String)>,
    /// Its value, decoded.
    pub value: String,
}

impl Order {
    /// A property.
    pub fn property(&self, key: &str) -> &str {
        self.properties.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

// .NET ends a line at any of these, and the log's readers at more.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

fn decode(text: &str, signs: &[(&str, &str)]) -> String {
    signs.iter().fold(text.to_owned(), |text, (code, sign)| text.replace(code, sign))
}

fn parse(info: &str, value: &str, between: char, property: &[(&str, &str)], data: &[(&str, &str)]) -> Order {
    let (name, rest) = info.split_once(' ').unwrap_or((info, ""));
    let pairs = rest.split(between).filter_map(|pair| pair.trim().split_once('='));
    Order {
        name: name.to_owned(),
        properties: pairs.map(|(key, value)| (key.to_owned(), decode(value, property))).collect(),
        value: decode(value, data),
    }
}

/// Every command in a log of GitHub Actions.
pub fn github(log: &str) -> Vec<Order> {
    let data = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")];
    let property = [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];
    let mut found = Vec::new();
    for line in lines(log) {
        // The newer form at the start of a line, however indented; else the older one anywhere in it.
        if let Some((info, value)) = line.trim_start().strip_prefix("::").and_then(|rest| rest.split_once("::")) {
            found.push(parse(info, value, ',', &property, &data));
        } else if let Some((info, value)) = line.split_once("##[").and_then(|(_, rest)| rest.split_once(']')) {
            let old = [("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]")];
            found.push(parse(info, value, ';', &old, &old));
        }
    }
    found
}

/// Every command in a log of Azure Pipelines, those that only shape the log among them.
pub fn azure(log: &str) -> Vec<Order> {
    let data = [("%0D", "\r"), ("%0A", "\n"), ("%AZP25", "%")];
    let property = [("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%")];
    let mut found = Vec::new();
    for line in lines(log) {
        let lower = line.to_ascii_lowercase();
        for prefix in ["##vso[", "##["] {
            if let Some(at) = lower.find(prefix) {
                if let Some((info, value)) = line[at + prefix.len()..].split_once(']') {
                    found.push(parse(info, value, ';', &property, &data));
                }
                break;
            }
        }
    }
    found
}

/// The values in a file of `GITHUB_OUTPUT`.
#[track_caller]
pub fn outputs(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, end) = line.split_once("<<").unwrap_or_else(|| panic!("{line} in {text}"));
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        found.push((name.to_owned(), value.join("\n")));
    }
    found
}

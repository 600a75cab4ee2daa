//! Values that are given by their names, as `helm --set` takes them.

use super::node::{Node, Style, Value};
use super::patch;

// Most items of a list that a parameter may name one of, and most lists that it may name items of.
const MAX_ITEM: usize = 8;
const MAX_LISTS: usize = 2;

// A step to a value that is set: a key, or an item of a list.
enum Step {
    Key(String),
    Item(usize),
}

// The steps of a name that `--set` is given; None: it says something else, or more.
fn steps(name: &str) -> Option<Vec<Step>> {
    let (mut steps, mut key, mut rest) = (Vec::new(), String::new(), name.chars());
    let mut is_key = true;
    while let Some(c) = rest.next() {
        match c {
            '\\' => key.push(rest.next()?),
            '.' if is_key => steps.push(Step::Key(std::mem::take(&mut key))),
            '.' => is_key = true,
            '[' => {
                if is_key {
                    steps.push(Step::Key(std::mem::take(&mut key)));
                }
                let number: String = rest.by_ref().take_while(|c| *c != ']').collect();
                steps.push(Step::Item(number.parse().ok().filter(|item| *item < MAX_ITEM)?));
                is_key = false;
            }
            ',' | '=' | '{' => return None,
            c if is_key => key.push(c),
            _ => return None,
        }
    }
    if is_key {
        steps.push(Step::Key(key));
    }
    let lists = steps.iter().filter(|step| matches!(step, Step::Item(_))).count();
    (steps.len() <= patch::MAX_STEPS && lists <= MAX_LISTS).then_some(steps)
}

/// Whether it can be told where a parameter by this name goes.
pub(super) fn is_plain(name: &str) -> bool {
    steps(name).is_some()
}

/// Puts a value into values as `--set` does, if it can be told where it goes.
pub(super) fn set(values: &mut Node, name: &str, value: Node) {
    let mut node = values;
    let Some(steps) = steps(name) else { return };
    for step in steps {
        let at = value.at;
        let next = match step {
            Step::Key(key) => {
                if node.get(&key).is_none() {
                    node.set(&key, Node::new(at, Value::Null));
                }
                node.get_mut(&key)
            }
            Step::Item(item) => {
                if !matches!(node.value, Value::List(_)) {
                    node.value = Value::List(Vec::new());
                }
                let Value::List(items) = &mut node.value else { return };
                while items.len() <= item {
                    items.push(Node::new(at, Value::Null));
                }
                items.get_mut(item)
            }
        };
        let Some(next) = next else { return };
        node = next;
    }
    *node = value;
}

/// A value as `--set` takes it, for which words of truth are no texts.
pub(super) fn typed(value: &Node) -> Node {
    let mut typed = value.clone();
    let word = value.as_str().map(str::to_ascii_lowercase).filter(|word| matches!(&**word, "true" | "false"));
    word.into_iter().for_each(|word| typed.value = Value::Text(word.into(), Style::Plain));
    typed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::image::node::At;

    #[test]
    fn a_name_says_where_a_value_goes() {
        let at = At { file: 0, line: 1 };
        let mut values = Node::nothing(at);
        for name in ["a.b", "l[1].x", "l[0]", "k\\.with/dot", "a.c"] {
            set(&mut values, name, Node::text(at, name));
        }
        assert_eq!((values.str_at(&["a", "b"]), values.str_at(&["a", "c"])), ("a.b", "a.c"));
        let items = values.get("l").map(Node::items).unwrap_or_default();
        assert_eq!(items.len(), 2);
        assert_eq!(items.first().and_then(Node::as_str), Some("l[0]"));
        assert_eq!(items.get(1).map(|item| item.str_at(&["x"])), Some("l[1].x"));
        assert!(values.get("k.with/dot").is_some());
        for name in ["a=b,c", "{{x}}", "l[8]", "l[x]", "l[0][0][0]", "l[0]x", &"a.".repeat(200)] {
            assert!(!is_plain(name), "{name}");
        }
    }
}

//! The published JSON Schema of `stage.yaml`.

use schemars::generate::SchemaSettings;

use super::raw::Stage;

/// The JSON Schema (draft 2020-12) of `stage.yaml`, as published in `schema/stage.v1.json`. It knows every key, word and
/// kind of value; what one value must be beside another, only [`parse`](super::parse) knows.
pub fn schema() -> serde_json::Value {
    let root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Stage>().to_value();
    let serde_json::Value::Object(mut root) = root else { return root };
    if let Some(serde_json::Value::Object(definitions)) = root.get_mut("$defs") {
        for (name, definition) in definitions.iter_mut() {
            if let Some(fields) = definition.as_object_mut() {
                fields.shift_insert(0, "title".to_owned(), name.as_str().into());
            }
        }
    }
    for (at, key) in ["$schema", "title", "description"].into_iter().enumerate() {
        if let Some(value) = root.shift_remove(key) {
            root.shift_insert(at, key.to_owned(), value);
        }
    }
    let mut root = serde_json::Value::Object(root);
    one_line(&mut root);
    root
}

// Doc comments are wrapped for the eyes of programmers; an editor wraps what it shows by itself.
fn one_line(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match value {
                    serde_json::Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    other => one_line(other),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(one_line),
        _ => {}
    }
}

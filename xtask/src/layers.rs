//! Which layer may name which? The table of the core's modules, and what the other crates may not take from it.

use crate::{
    rules::Finding,
    source::{Source, line_of, paths},
};
use std::path::Path;

/// Modules of one height, and the layers below that they may name.
struct Layer {
    name: &'static str,
    modules: &'static [&'static str],
    below: &'static [&'static str],
    /// Whether modules of the same layer may name each other.
    siblings: bool,
}

/// From the ground up. A module in no row is a finding: whoever adds one decides where it stands.
const LAYERS: [Layer; 11] = [
    Layer {
        name: "ground",
        modules: &["checksum", "time", "rng", "secret", "limits", "json", "record"],
        below: &[],
        siblings: true,
    },
    Layer {
        name: "words",
        modules: &["io", "link", "message", "backoff", "queue"],
        below: &["ground"],
        siblings: true,
    },
    Layer { name: "auth", modules: &["auth"], below: &["ground"], siblings: true },
    Layer { name: "topic", modules: &["mqtt::topic"], below: &[], siblings: true },
    Layer { name: "codec", modules: &["mqtt::codec"], below: &["ground", "words", "topic"], siblings: true },
    Layer {
        name: "links",
        modules: &["mqtt::session", "at"],
        below: &["ground", "words", "topic", "codec"],
        siblings: false,
    },
    Layer { name: "seat", modules: &["cloud"], below: &["ground", "words"], siblings: true },
    Layer { name: "http", modules: &["http"], below: &["ground", "words"], siblings: true },
    Layer {
        name: "download",
        modules: &["download"],
        below: &["ground", "words", "auth", "http", "seat"],
        siblings: true,
    },
    Layer {
        name: "clouds",
        modules: &["plain", "tencent", "azure", "huawei", "aliyun"],
        below: &["ground", "words", "auth", "topic", "http", "seat", "download"],
        siblings: false,
    },
    Layer { name: "device", modules: &["device"], below: &["ground", "words", "seat"], siblings: true },
];

/// The top: may name everything.
const TOP: [&str; 1] = ["portable"];

/// The simulator derives what it checks anew, so that one error cannot hide in two places.
const NOT_FOR_THE_SIMULATOR: [&str; 6] = ["auth", "plain", "tencent", "azure", "huawei", "aliyun"];

/// What `source` names though it may not.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    if let Ok(inside) = source.path.strip_prefix("core/src") {
        check_core(source, inside)
    } else if source.path.starts_with("simulator/src") {
        check_simulator(source)
    } else {
        Vec::new()
    }
}

fn check_core(source: &Source, inside: &Path) -> Vec<Finding> {
    let here = module_path(inside);
    if here.is_empty() || TOP.iter().any(|top| here.starts_with(top)) {
        return Vec::new();
    }
    let code = source.shipped_code();
    let Some((layer, module)) = layer_of(&here) else {
        // A `mod.rs` that only lists its parts belongs to no layer and names nothing.
        let names = !paths(&code, "crate").is_empty();
        let row = format!("module {here} stands in no row of the layer table (xtask/src/layers.rs)");
        return if names || !is_parent(&here) { vec![Finding::new(source, 1, row)] } else { Vec::new() };
    };
    let mut found = Vec::new();
    for (at, path) in paths(&code, "crate") {
        let target = path.join("::");
        let line = line_of(&code, at);
        let allowed = match layer_of(&target) {
            Some((other, named)) if other.name == layer.name => layer.siblings || named == module,
            Some((other, _)) => layer.below.contains(&other.name),
            None => false,
        };
        if !allowed {
            let what = format!("{module} (layer {}) may not name crate::{target}", layer.name);
            found.push(Finding::new(source, line, what));
        }
    }
    found
}

fn check_simulator(source: &Source) -> Vec<Finding> {
    let code = source.shipped_code();
    paths(&code, "skytether_core")
        .into_iter()
        .filter(|(_, path)| path.first().is_some_and(|first| NOT_FOR_THE_SIMULATOR.contains(&first.as_str())))
        .map(|(at, path)| {
            let what = format!(
                "the simulator derives anew what it checks, and may not name skytether_core::{}",
                path.join("::")
            );
            Finding::new(source, line_of(&code, at), what)
        })
        .collect()
}

/// `mqtt/codec/frame.rs` is `mqtt::codec::frame`, `mqtt/mod.rs` is `mqtt`, `lib.rs` is the empty path.
fn module_path(inside: &Path) -> String {
    let whole = inside.with_extension("");
    let names: Vec<_> = whole.iter().map(|part| part.to_string_lossy()).collect();
    let names = names.strip_suffix(&["mod".into()]).or_else(|| names.strip_suffix(&["lib".into()])).unwrap_or(&names);
    names.join("::")
}

/// The row and the module of the table under which a path falls.
fn layer_of(path: &str) -> Option<(&'static Layer, &'static str)> {
    LAYERS.iter().find_map(|layer| {
        let module = layer.modules.iter().find(|module| is_below(path, module))?;
        Some((layer, *module))
    })
}

fn is_below(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether the table knows modules inside this one.
fn is_parent(path: &str) -> bool {
    LAYERS.iter().flat_map(|layer| layer.modules).any(|module| is_below(module, path))
}

#[cfg(test)]
mod tests {
    use super::{check, module_path};
    use crate::source::Source;
    use std::path::Path;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let source = Source::new(path.into(), text.to_owned());
        check(&source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lower_layer_may_not_name_an_upper_one() {
        let found = findings("core/src/mqtt/codec/frame.rs", "use crate::{\n io::Cause,\n device::Device};");
        assert_eq!(
            found,
            ["core/src/mqtt/codec/frame.rs:1: mqtt::codec (layer codec) may not name crate::device::Device"]
        );
        assert!(findings("core/src/device/mod.rs", "use crate::{cloud::Cloud, link::Link};").is_empty());
    }

    #[test]
    fn a_cloud_may_name_itself_and_no_other() {
        assert!(findings("core/src/azure/twin.rs", "use crate::azure::topic::Topic;").is_empty());
        assert_eq!(findings("core/src/azure/twin.rs", "use crate::tencent::topic::Topic;").len(), 1);
        assert_eq!(findings("core/src/tencent/client.rs", "use crate::mqtt::session::Session;").len(), 1);
    }

    #[test]
    fn a_module_without_a_row_is_a_finding() {
        assert_eq!(findings("core/src/extra.rs", "").len(), 1);
        assert!(findings("core/src/mqtt/mod.rs", "pub mod topic;").is_empty());
        assert_eq!(findings("core/src/time.rs", "use crate::extra::X;").len(), 1);
    }

    #[test]
    fn tests_may_name_anything() {
        assert!(findings("core/src/time.rs", "#[cfg(test)]\nmod tests { use crate::device::Device; }").is_empty());
    }

    #[test]
    fn the_simulator_may_use_the_codec_and_no_cloud() {
        assert!(findings("simulator/src/broker/mod.rs", "use skytether_core::mqtt::codec::decode;").is_empty());
        assert_eq!(findings("simulator/src/tencent/mod.rs", "use skytether_core::{io, tencent::topic};").len(), 1);
    }

    #[test]
    fn files_name_their_module() {
        assert_eq!(module_path(Path::new("mqtt/codec/frame.rs")), "mqtt::codec::frame");
        assert_eq!(module_path(Path::new("mqtt/mod.rs")), "mqtt");
        assert_eq!(module_path(Path::new("lib.rs")), "");
    }
}

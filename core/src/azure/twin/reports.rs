//! Which reported patch goes out next: what waits, in order, put together as far as that changes nothing.

use super::super::limits;
use crate::io::{Rejected, Tag};
use alloc::{collections::VecDeque, string::String};
use serde_json::{Map, Value};

/// Commands to report properties, oldest first. One patch is on its way at a time, made of the first of them.
#[derive(Debug, Default)]
pub(super) struct Reports {
    waiting: VecDeque<Report>,
    bytes: usize,
    /// How many of the first make up the patch that is on its way.
    sent: usize,
    /// How many of the first go alone: together they were refused.
    alone: usize,
}

#[derive(Debug)]
struct Report {
    tag: Tag,
    patch: Map<String, Value>,
    len: usize,
}

impl Reports {
    /// Accepts a patch of this many bytes.
    ///
    /// # Errors
    /// [`Rejected::Full`] over 64 of them or 128 KiB.
    pub(super) fn push(&mut self, tag: Tag, patch: Map<String, Value>, len: usize) -> Result<(), Rejected> {
        let bytes = self.bytes.saturating_add(len);
        if self.waiting.len() >= limits::REPORTS || bytes > limits::REPORT_BYTES {
            return Err(Rejected::Full);
        }
        self.bytes = bytes;
        self.waiting.push_back(Report { tag, patch, len });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The patch to send now; what is asked again may hold more than before.
    pub(super) fn next(&mut self) -> Option<Map<String, Value>> {
        let first = self.waiting.front()?;
        let (mut patch, mut len) = (first.patch.clone(), first.len);
        self.sent = 1;
        if self.alone > 0 {
            return Some(patch);
        }
        for report in self.waiting.iter().skip(1) {
            len = len.saturating_add(report.len);
            if len > limits::TWIN || !joins(&patch, &report.patch) {
                break;
            }
            join(&mut patch, &report.patch);
            self.sent = self.sent.saturating_add(1);
        }
        Some(patch)
    }

    /// The patch was refused as it is: if it was put together, its parts go alone, and whatever is wrong with one of them
    /// is its own. `false` where it was one part.
    pub(super) fn take_apart(&mut self) -> bool {
        if self.sent > 1 {
            self.alone = self.sent;
        }
        self.sent > 1
    }

    /// The patch on its way is over: strikes off what made it up, and gives the commands.
    pub(super) fn finish(&mut self) -> impl Iterator<Item = Tag> + '_ {
        let sent = self.sent.min(self.waiting.len());
        self.sent = 0;
        self.alone = self.alone.saturating_sub(sent);
        self.bytes = self.waiting.iter().skip(sent).map(|report| report.len).sum();
        self.waiting.drain(..sent).map(|report| report.tag)
    }
}

/// Whether two patches after each other are one patch: nowhere does the second change a part of what the first replaced
/// or removed.
fn joins(first: &Map<String, Value>, second: &Map<String, Value>) -> bool {
    second.iter().all(|(name, later)| match (first.get(name), later) {
        (Some(Value::Object(earlier)), Value::Object(later)) => joins(earlier, later),
        (Some(_), Value::Object(_)) => false,
        (_, _) => true,
    })
}

/// Lays the second patch over the first, where [`joins`] allows it.
fn join(first: &mut Map<String, Value>, second: &Map<String, Value>) {
    for (name, later) in second {
        match (first.get_mut(name), later) {
            (Some(Value::Object(earlier)), Value::Object(later)) => join(earlier, later),
            (_, later) => drop(first.insert(name.clone(), later.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use serde_json::json;

    fn patch(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn reports(patches: &[Value]) -> Reports {
        let mut reports = Reports::default();
        for (tag, value) in (0..).zip(patches) {
            reports.push(Tag(tag), patch(value), 10).unwrap();
        }
        reports
    }

    #[test]
    fn patches_that_wait_go_out_as_one_in_their_order() {
        let mut reports =
            reports(&[json!({"a": 1, "b": {"x": 1}}), json!({"a": 2, "b": {"y": null}}), json!({"b": 5})]);
        assert_eq!(reports.next(), Some(patch(&json!({"a": 2, "b": 5}))));
        assert_eq!(reports.finish().collect::<Vec<_>>(), [Tag(0), Tag(1), Tag(2)]);
        assert_eq!(reports.next(), None);
    }

    #[test]
    fn a_patch_that_changes_a_part_of_what_another_replaced_goes_after_it() {
        for replaced in [json!(null), json!(1), json!([1])] {
            let mut reports = reports(&[json!({ "a": replaced }), json!({"a": {"x": 1}}), json!({"a": {"y": 1}})]);
            assert_eq!(reports.next(), Some(patch(&json!({ "a": replaced }))));
            assert_eq!(reports.finish().collect::<Vec<_>>(), [Tag(0)]);
            assert_eq!(reports.next(), Some(patch(&json!({"a": {"x": 1, "y": 1}}))));
        }
    }

    #[test]
    fn what_was_refused_together_goes_alone() {
        let mut reports = reports(&[json!({"a": 1}), json!({"b": 1}), json!({"c": 1})]);
        reports.next();
        assert!(reports.take_apart());
        assert_eq!(reports.next(), Some(patch(&json!({"a": 1}))));
        assert!(!reports.take_apart());
        assert_eq!(reports.finish().collect::<Vec<_>>(), [Tag(0)]);
        reports.push(Tag(3), patch(&json!({"d": 1})), 10).unwrap();
        assert_eq!(reports.next(), Some(patch(&json!({"b": 1}))));
        reports.finish().for_each(drop);
        assert_eq!(reports.next(), Some(patch(&json!({"c": 1}))));
        reports.finish().for_each(drop);
        assert_eq!(reports.next(), Some(patch(&json!({"d": 1}))));
    }

    #[test]
    fn r_70_reports_are_bounded_in_number_and_bytes_and_a_patch_in_bytes() {
        let mut reports = Reports::default();
        for tag in 0..64 {
            reports.push(Tag(tag), patch(&json!({"a": 1})), 1000).unwrap();
        }
        assert_eq!(reports.push(Tag(64), Map::new(), 1), Err(Rejected::Full));
        reports.next();
        assert_eq!(reports.finish().count(), 32);
        for tag in 0..3 {
            reports.push(Tag(tag), Map::new(), limits::TWIN).unwrap();
        }
        assert_eq!(reports.push(Tag(9), Map::new(), 2000), Err(Rejected::Full));
    }

    /// JSON merge patch as RFC 7396 has it.
    fn apply(target: &mut Value, patch: &Value) {
        let Value::Object(members) = patch else { return *target = patch.clone() };
        if !target.is_object() {
            *target = json!({});
        }
        for (name, value) in members {
            if value.is_null() {
                target.as_object_mut().unwrap().remove(name);
            } else {
                apply(target.as_object_mut().unwrap().entry(name.clone()).or_insert(Value::Null), value);
            }
        }
    }

    fn any_patch(depth: u32) -> BoxedStrategy<Value> {
        let leaf = prop_oneof![Just(json!(null)), (0..3).prop_map(|n| json!(n)), Just(json!([1]))];
        leaf.prop_recursive(depth, 12, 3, |inner| {
            proptest::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<String, Value>>()))
        })
        .boxed()
    }

    proptest! {
        #[test]
        fn what_is_put_together_does_what_its_parts_do_after_each_other(
            target in any_patch(3), values in proptest::collection::vec(any_patch(3), 1..6),
        ) {
            let values: Vec<_> = values.into_iter().filter(Value::is_object).collect();
            let (mut one_by_one, mut together) = (json!({}), json!({}));
            apply(&mut one_by_one, &json!({ "a": target, "b": target }));
            apply(&mut together, &json!({ "a": target, "b": target }));
            for value in &values {
                apply(&mut one_by_one, value);
            }
            let mut reports = reports(&values);
            let mut ended = 0;
            while let Some(patch) = reports.next() {
                apply(&mut together, &Value::Object(patch));
                ended += reports.finish().count();
            }
            prop_assert_eq!(together, one_by_one);
            prop_assert_eq!(ended, values.len());
        }
    }
}

use super::*;

fn span(start: u64, step: u64, count: u64) -> Span {
    Span { start, step, count }
}

proptest! {
    #[test]
    fn a_selection_is_as_large_as_what_it_selects(case in any_case()) {
        let Case { shape, selection, .. } = case;
        let selected = numbers(&shape, &selection);
        prop_assert_eq!(selection.size() as usize, selected.len());
        prop_assert_eq!(selection.fault(&shape), None);
        let all = selected.iter().copied().eq(0..len(&shape));
        if !selected.is_empty() {
            prop_assert_eq!(selection.is_all_of(&shape), all);
        }
        prop_assert!(Selection::all(&shape).is_all_of(&shape));
    }

    #[test]
    fn an_extent_is_the_smallest_range_that_holds_all(case in any_case()) {
        let Case { shape, selection, .. } = case;
        let selected = numbers(&shape, &selection);
        let (range, exact) = selection.extent(&shape);
        let (first, last) = (selected.iter().min(), selected.iter().max());
        let expected = match (first, last) {
            (Some(first), Some(last)) => *first as u64..*last as u64 + 1,
            _ => 0..0,
        };
        prop_assert_eq!(&range, &expected);
        let contiguous = selected.iter().map(|number| *number as u64).eq(expected);
        prop_assert_eq!(exact, contiguous);
    }

    #[test]
    fn an_index_beyond_the_axis_is_a_fault(case in cases(1..=5_usize, 7), seed in any::<usize>()) {
        let Case { shape, selection, .. } = case;
        let axis = seed % shape.len();
        let mut spans = selection.spans().to_vec();
        spans[axis].count = (shape[axis].saturating_sub(spans[axis].start)).div_ceil(spans[axis].step) + 1;
        let last = spans[axis].start + spans[axis].step * (spans[axis].count - 1);
        let selection = Selection::new(spans);
        let fault = format!("index {last} on axis {axis}, which has length {}", shape[axis]);
        prop_assert_eq!(selection.fault(&shape), Some(fault));
        prop_assert_eq!(selection.extent(&shape), (0..0, false));
        prop_assert!(!selection.is_all_of(&shape));
    }
}

#[test]
fn a_selection_of_other_axes_or_with_step_0_is_a_fault() {
    let two = Selection::all(&[2, 3]);
    assert_eq!(
        two.fault(&[2]).as_deref(),
        Some("indices for 2 axes of an array with 1, of shape [2]")
    );
    assert_eq!(two.extent(&[2]), (0..0, false));
    let still = Selection::new([span(0, 1, 2), span(1, 0, 2)]);
    assert_eq!(
        still.fault(&[2, 3]).as_deref(),
        Some("step 0 on axis 1; a step is at least 1")
    );
}

#[test]
fn indices_beyond_a_word_are_told() {
    let far = Selection::new([span(u64::MAX, u64::MAX, u64::MAX)]);
    assert_eq!(
        far.fault(&[5]).as_deref(),
        Some("index 340282366920938463426481119284349108225 on axis 0, which has length 5")
    );
    let last = Selection::new([span(u64::MAX - 1, u64::MAX, 1)]);
    assert_eq!(last.fault(&[u64::MAX]), None);
    assert_eq!(last.extent(&[u64::MAX]), (u64::MAX - 1..u64::MAX, true));
    assert_eq!(Selection::all(&[1 << 40, 1 << 40]).size(), u64::MAX);
    assert_eq!(Selection::all(&[1 << 40, 1 << 40, 0]).size(), 0);
}

#[test]
fn the_only_element_is_all_of_its_array_whatever_the_step() {
    assert!(Selection::new([span(0, 9, 1)]).is_all_of(&[1]));
    assert!(!Selection::new([span(0, 9, 1)]).is_all_of(&[2]));
    assert!(Selection::all(&[]).is_all_of(&[]));
    assert_eq!(Selection::all(&[]).extent(&[]), (0..1, true));
}

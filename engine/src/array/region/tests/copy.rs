use super::*;

const ITEMS: [usize; 12] = [0, 1, 2, 3, 4, 5, 8, 12, 16, 17, 24, 32];

/// `to` after the elements numbered `pairs` were copied one by one.
fn copied(item: usize, from: &[u8], to: &[u8], pairs: &[(usize, usize)]) -> Vec<u8> {
    let mut to = to.to_vec();
    for (f, t) in pairs {
        to[t * item..][..item].copy_from_slice(&from[f * item..][..item]);
    }
    to
}

fn bit(bytes: &[u8], at: usize) -> bool {
    bytes[at / 8] >> (at % 8) & 1 == 1
}

fn copied_bits(from: &[u8], to: &[u8], pairs: &[(usize, usize)]) -> Vec<u8> {
    let mut to = to.to_vec();
    for (f, t) in pairs {
        to[t / 8] &= !(1 << (t % 8));
        to[t / 8] |= u8::from(bit(from, *f)) << (t % 8);
    }
    to
}

/// Numbers in the array and in the box of the other one.
fn numbered(case: &Case) -> Vec<(usize, usize)> {
    let inside = numbers(&case.shape, &case.selection);
    let place = numbers(&case.other, &boxed(&case.at, &case.selection.shape()));
    inside.into_iter().zip(place).collect()
}

fn swapped(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    pairs.iter().map(|(f, t)| (*t, *f)).collect()
}

fn check(case: &Case, item: usize) -> Result<(), TestCaseError> {
    let numbered = numbered(case);
    let Case {
        shape,
        selection: inside,
        at,
        other,
        ..
    } = case;
    let array = noise(len(shape) * item, 1);
    let place = noise(len(other) * item, 2);

    let mut to = place.clone();
    prop_assert!(gather(item, &array, shape, inside, &mut to, other, at));
    prop_assert_eq!(&to, &copied(item, &array, &place, &numbered));

    let mut to = array.clone();
    prop_assert!(scatter(item, &place, other, at, &mut to, shape, inside));
    prop_assert_eq!(&to, &copied(item, &place, &array, &swapped(&numbered)));

    // What was scattered is gathered again.
    let blank = noise(place.len(), 3);
    let mut again = blank.clone();
    prop_assert!(gather(item, &to, shape, inside, &mut again, other, at));
    let in_box: Vec<_> = numbered.iter().map(|(_, at)| (*at, *at)).collect();
    prop_assert_eq!(again, copied(item, &place, &blank, &in_box));
    Ok(())
}

fn check_bits(case: &Case, spare: usize) -> Result<(), TestCaseError> {
    let numbered = numbered(case);
    let Case {
        shape,
        selection: inside,
        at,
        other,
        ..
    } = case;
    let array = noise(len(shape).div_ceil(8) + spare, 1);
    let place = noise(len(other).div_ceil(8) + spare, 2);

    let mut to = place.clone();
    prop_assert!(gather_bits(&array, shape, inside, &mut to, other, at));
    prop_assert_eq!(&to, &copied_bits(&array, &place, &numbered));

    let mut to = array.clone();
    prop_assert!(scatter_bits(&place, other, at, &mut to, shape, inside));
    prop_assert_eq!(&to, &copied_bits(&place, &array, &swapped(&numbered)));
    Ok(())
}

fn check_pairs(case: &Case) -> Result<(), TestCaseError> {
    let mut found = Vec::new();
    let each = |f: u64, t: u64| found.push((f as usize, t as usize));
    prop_assert!(pairs(
        &case.shape,
        &case.selection,
        &case.other,
        &case.at,
        each
    ));
    prop_assert_eq!(found, numbered(case));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_copy_takes_what_counting_takes_and_leaves_the_rest(
        case in any_case(),
        item in proptest::sample::select(&ITEMS[..]),
    ) {
        check(&case, item)?;
    }

    #[test]
    fn bits_go_as_counting_has_them_go(case in any_case(), spare in 0..3_usize) {
        check_bits(&case, spare)?;
    }

    #[test]
    fn long_rows_of_bits_go_at_any_shift(
        (length, start, at) in (0..300_u64, 0..20_u64, 0..20_u64),
        pad in 0..20_u64,
    ) {
        let case = Case {
            shape: vec![start + length + pad],
            chunks: vec![],
            selection: boxed(&[start], &[length]),
            at: vec![at],
            other: vec![at + length + pad],
        };
        check_bits(&case, 0)?;
    }

    #[test]
    fn pairs_are_those_of_a_copy(case in any_case()) {
        check_pairs(&case)?;
    }
}

#[test]
fn an_array_of_32_axes_is_copied_as_one_of_few() {
    let mut shape = vec![1; 32];
    let mut spans = Selection::all(&shape).spans().to_vec();
    for (axis, length) in [(0, 3), (9, 4), (10, 2), (20, 5), (31, 3)] {
        shape[axis] = length;
        spans[axis] = Span {
            start: axis as u64 % 2,
            step: 2,
            count: (length - axis as u64 % 2).div_ceil(2),
        };
    }
    let selection = Selection::new(spans);
    let other = selection.shape().to_vec();
    let case = Case {
        shape,
        chunks: vec![2; 32],
        selection,
        at: vec![0; 32],
        other,
    };
    for item in ITEMS {
        check(&case, item).unwrap();
    }
    check_bits(&case, 0).unwrap();
    check_pairs(&case).unwrap();
    let grid = ChunkGrid::new(&case.shape, &case.chunks).unwrap();
    let sizes = grid
        .touched(&case.selection)
        .map(|chunk| chunk.inside.size());
    assert_eq!(sizes.sum::<u64>(), case.selection.size());
}

#[test]
fn what_does_not_fit_is_refused_and_copies_nothing() {
    let (shape, other) = ([4, 5], [3, 3]);
    let inside = boxed(&[1, 2], &[2, 3]);
    let (from, blank) = (noise(20, 1), vec![0; 9]);
    let run = |from: &[u8], shape: &[u64], inside: &Selection, to: usize, at: &[u64]| {
        let mut bytes = vec![0; to];
        let ok = gather(1, from, shape, inside, &mut bytes, &other, at);
        let mut back = from.to_vec();
        let too = scatter(1, &bytes, &other, at, &mut back, shape, inside);
        assert_eq!(ok, too);
        assert!(ok || bytes == vec![0; to] && back == from);
        ok
    };
    assert!(run(&from, &shape, &inside, 9, &[1, 0]));
    // One byte less or more on either side, one row less, an index beyond, another rank.
    assert!(!run(&from[1..], &shape, &inside, 9, &[1, 0]));
    assert!(!run(&noise(21, 1), &shape, &inside, 9, &[1, 0]));
    assert!(!run(&from, &shape, &inside, 8, &[1, 0]));
    assert!(!run(&from, &shape, &inside, 10, &[1, 0]));
    assert!(!run(&from, &[5, 5], &inside, 9, &[1, 0]));
    assert!(!run(&from, &shape, &inside, 9, &[2, 0]));
    assert!(!run(&from, &shape, &inside, 9, &[1, 1]));
    assert!(!run(&from, &shape, &boxed(&[3, 2], &[2, 3]), 9, &[1, 0]));
    assert!(!run(&from, &shape, &inside, 9, &[1]));
    assert!(!run(&from, &[20], &inside, 9, &[1, 0]));
    assert!(!run(&from, &shape, &boxed(&[1], &[2]), 9, &[1]));

    let bits = |from: usize, to: usize, at: &[u64]| {
        let mut bytes = vec![0; to];
        gather_bits(&noise(from, 1), &shape, &inside, &mut bytes, &other, at)
    };
    assert!(bits(3, 2, &[1, 0]));
    assert!(!bits(2, 2, &[1, 0]));
    assert!(!bits(3, 1, &[1, 0]));
    assert!(!bits(3, 2, &[2, 0]));
    let mut back = blank;
    assert!(!scatter_bits(
        &[0; 1],
        &other,
        &[1, 0],
        &mut back,
        &shape,
        &inside
    ));
    let never = |_, _| unreachable!("no element fits");
    assert!(!pairs(&shape, &inside, &other, &[2, 0], never));
}

//! Numbers from anywhere: an answer or a refusal, never a panic.
use super::*;

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..6_u64,
        1 => prop::sample::select(vec![1 << 20, 1 << 31, 1 << 32, (1 << 32) + 1, 1 << 63, u64::MAX - 1, u64::MAX]),
        1 => any::<u64>(),
    ]
}

fn spans() -> impl Strategy<Value = Selection> {
    let span =
        (word(), word(), word()).prop_map(|(start, step, count)| Span { start, step, count });
    vec(span, 0..4).prop_map(Selection::new)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_numbers_panic(
        shapes in (vec(word(), 0..4), vec(word(), 0..4), vec(word(), 0..4)),
        inside in spans(),
        item in prop_oneof![0..20_usize, Just(usize::MAX)],
        (from, to) in (vec(any::<u8>(), 0..64), vec(any::<u8>(), 0..64)),
        coords in vec(any::<u32>(), 0..4),
    ) {
        let (shape, other, at) = shapes;
        let mut out = to.clone();
        gather(item, &from, &shape, &inside, &mut out, &other, &at);
        scatter(item, &from, &shape, &at, &mut out, &other, &inside);
        gather_bits(&from, &shape, &inside, &mut out, &other, &at);
        scatter_bits(&from, &shape, &at, &mut out, &other, &inside);
        prop_assert_eq!(out.len(), to.len());
        if inside.size() < 10_000 {
            pairs(&shape, &inside, &other, &at, |_, _| ());
        }
        let (range, exact) = inside.extent(&shape);
        if exact {
            prop_assert_eq!(range.end - range.start, inside.size());
        }
        prop_assert!(inside.fault(&shape).is_none() || !inside.is_all_of(&shape));
        for chunks in [other.clone(), auto_chunks(&shape, item as u64).to_vec()] {
            let Ok(grid) = ChunkGrid::new(&shape, &chunks) else { continue };
            grid.extent(&coords);
            grid.number();
            for chunk in grid.touched(&inside).take(50) {
                prop_assert_eq!(chunk.inside.fault(&chunk.extent), None);
                prop_assert_eq!(&grid.extent(&chunk.coords), &chunk.extent);
            }
        }
        // What is chosen is a grid, of any array with an axis.
        let chosen = auto_chunks(&shape, item as u64);
        prop_assert_eq!(given_chunks(&shape, &chosen).is_ok(), !shape.is_empty());
    }
}

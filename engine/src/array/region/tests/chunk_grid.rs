use std::collections::BTreeMap;

use super::*;

/// Place of an element in its chunk, and in the result.
type Placed = (Vec<u64>, Vec<u64>);

/// The selected elements of each chunk that has some, counted one by one.
fn counted(case: &Case) -> BTreeMap<Vec<u32>, Vec<Placed>> {
    let mut chunks = BTreeMap::<_, Vec<_>>::new();
    for point in points(&case.selection.shape()) {
        let axes = case.selection.spans().iter().zip(&point);
        let index: Vec<u64> = axes.map(|(span, at)| span.start + span.step * at).collect();
        let parts = || index.iter().zip(&case.chunks);
        let coords: Vec<u32> = parts()
            .map(|(index, chunk)| (index / chunk) as u32)
            .collect();
        let inside: Vec<u64> = parts().map(|(index, chunk)| index % chunk).collect();
        chunks.entry(coords).or_default().push((inside, point));
    }
    chunks
}

proptest! {
    #[test]
    fn touched_chunks_are_those_that_counting_finds_and_in_order(
        case in prop_oneof![4 => cases(1..=4_usize, 6), 1 => cases(Just(8), 2)],
    ) {
        let grid = ChunkGrid::new(&case.shape, &case.chunks).unwrap();
        let expected = counted(&case);
        let touched: Vec<_> = grid.touched(&case.selection).collect();
        prop_assert!(touched.iter().map(|chunk| chunk.coords.as_slice()).eq(expected.keys()));
        for (chunk, elements) in touched.iter().zip(expected.values()) {
            prop_assert_eq!(&chunk.extent, &grid.extent(&chunk.coords));
            prop_assert_eq!(chunk.inside.fault(&chunk.extent), None);
            prop_assert_eq!(chunk.inside.size() as usize, elements.len());
            let inside: Vec<_> = elements.iter().map(|(at, _)| number(&chunk.extent, at)).collect();
            prop_assert_eq!(numbers(&chunk.extent, &chunk.inside), inside);
            let result = case.selection.shape();
            let places: Vec<_> = elements.iter().map(|(_, at)| number(&result, at)).collect();
            prop_assert_eq!(numbers(&result, &boxed(&chunk.at, &chunk.inside.shape())), places);
            prop_assert_eq!(chunk.whole, elements.len() == len(&chunk.extent));
        }
    }

    #[test]
    fn gathered_chunks_are_the_selection_and_scattered_ones_the_array(
        case in cases(1..=4_usize, 6),
    ) {
        let data = noise(len(&case.shape) * 3, 1);
        let grid = ChunkGrid::new(&case.shape, &case.chunks).unwrap();
        prop_assert_eq!(grid.number(), grid.counts().iter().product::<u64>());
        let mut chunks = BTreeMap::new();
        for chunk in grid.touched(&Selection::all(&case.shape)) {
            prop_assert!(chunk.whole);
            let mut bytes = vec![0; len(&chunk.extent) * 3];
            let origin = vec![0; case.shape.len()];
            let place = boxed(&chunk.at, &chunk.extent);
            prop_assert!(gather(3, &data, &case.shape, &place, &mut bytes, &chunk.extent, &origin));
            chunks.insert(chunk.coords, bytes);
        }
        prop_assert_eq!(grid.number(), chunks.len() as u64);

        let shape = case.selection.shape();
        let mut result = vec![0xee; case.selection.size() as usize * 3];
        for Touched { coords, extent, inside, at, .. } in grid.touched(&case.selection) {
            prop_assert!(gather(3, &chunks[&coords], &extent, &inside, &mut result, &shape, &at));
        }
        let selected = numbers(&case.shape, &case.selection);
        let expected: Vec<u8> = selected.iter().flat_map(|n| &data[n * 3..][..3]).copied().collect();
        prop_assert_eq!(&result, &expected);

        // Written back to chunks without anything, it is there and nothing else is.
        let mut back = vec![0; data.len()];
        for Touched { coords, extent, inside, at, .. } in grid.touched(&case.selection) {
            let mut bytes = vec![0; len(&extent) * 3];
            prop_assert!(scatter(3, &result, &shape, &at, &mut bytes, &extent, &inside));
            let lengths = coords.iter().zip(&case.chunks);
            let start: Vec<u64> = lengths.map(|(coord, chunk)| u64::from(*coord) * chunk).collect();
            prop_assert!(gather(3, &bytes, &extent, &Selection::all(&extent), &mut back, &case.shape, &start));
        }
        let mut expected = vec![0; data.len()];
        for n in selected {
            expected[n * 3..][..3].copy_from_slice(&data[n * 3..][..3]);
        }
        prop_assert_eq!(back, expected);
    }

    #[test]
    fn chosen_chunks_are_at_most_a_mebibyte_and_more_than_half(
        shape in vec(prop_oneof![1..=5000_u64, Just(1), Just(3)], 1..=5),
        item in prop_oneof![Just(1_u64), Just(4), Just(8), Just(12), 1..=1000_u64],
    ) {
        let whole = shape.iter().product::<u64>() * item;
        let chunks = auto_chunks(&shape, item);
        let bytes = chunks.iter().product::<u64>() * item;
        prop_assert!(chunks.iter().zip(&shape).all(|(chunk, length)| (1..=*length).contains(chunk)));
        if whole <= 1 << 20 {
            prop_assert_eq!(chunks.as_slice(), shape.as_slice());
        } else {
            prop_assert!(bytes <= 1 << 20 && bytes > 1 << 19 || bytes == item << 19, "{} bytes", bytes);
            // An axis is cut only where it is as long as the longest, but for halves.
            let longest = chunks.iter().max().unwrap();
            for (chunk, length) in chunks.iter().zip(&shape) {
                prop_assert!(chunk == length || 2 * chunk >= *longest, "{:?}", chunks);
            }
        }
        prop_assert!(ChunkGrid::new(&shape, &chunks).is_ok());
    }
}

#[test]
fn chosen_chunks_of_axes_that_grow_and_of_huge_ones() {
    assert_eq!(auto_chunks(&[], 8).as_slice(), &[] as &[u64]);
    assert_eq!(auto_chunks(&[0], 4).as_slice(), &[262_144]);
    assert_eq!(auto_chunks(&[0, 100], 4).as_slice(), &[2048, 100]);
    assert_eq!(auto_chunks(&[0, 720, 1440], 4).as_slice(), &[1, 360, 720]);
    assert_eq!(auto_chunks(&[0, 0], 1).as_slice(), &[1024, 1024]);
    assert_eq!(auto_chunks(&[256, 256, 256], 4).as_slice(), &[64, 64, 64]);
    assert_eq!(auto_chunks(&[3, 2], 2 << 20).as_slice(), &[1, 1]);
    assert_eq!(auto_chunks(&[3, 2], 0).as_slice(), &[3, 2]);
    let huge = [u64::MAX, u64::MAX];
    let chunks = auto_chunks(&huge, u64::MAX);
    assert_eq!(chunks.as_slice(), &[1 << 32, 1 << 32]);
    assert!(ChunkGrid::new(&huge, &chunks).is_ok());
}

#[test]
fn given_chunks_are_one_length_of_at_least_1_per_axis() {
    let given = |shape: &[u64], chunks: &[u64]| given_chunks(shape, chunks).map(|c| c.to_vec());
    assert_eq!(given(&[10, 0], &[64, 3]), Ok(vec![64, 3]));
    let fault = |shape: &[u64], chunks: &[u64]| given(shape, chunks).unwrap_err();
    assert_eq!(
        fault(&[10, 2], &[64]),
        "1 chunk lengths for 2 axes of shape [10, 2]"
    );
    assert_eq!(
        fault(&[10, 2], &[64, 0]),
        "chunk length 0 on axis 1; a chunk length is at least 1"
    );
    assert_eq!(fault(&[], &[]), "an array without axes has no chunks");
    assert_eq!(given(&[1 << 40], &[1 << 8]), Ok(vec![1 << 8]));
    assert_eq!(
        fault(&[1 << 40], &[255]),
        "4311810306 chunks on axis 0 of shape [1099511627776]; there are at most 4294967296"
    );
}

#[test]
fn a_grid_counts_chunks_and_clips_those_at_its_end() {
    let grid = ChunkGrid::new(&[10, 0, 4], &[4, 3, 9]).unwrap();
    assert_eq!(grid.counts().as_slice(), &[3, 0, 1]);
    assert_eq!(grid.number(), 0);
    assert_eq!(grid.extent(&[1, 0, 0]).as_slice(), &[4, 0, 4]);
    assert_eq!(grid.extent(&[2, 0, 0]).as_slice(), &[2, 0, 4]);
    assert_eq!(grid.extent(&[3, 0, u32::MAX]).as_slice(), &[0, 0, 0]);
    assert_eq!(grid.touched(&Selection::all(&[10, 0, 4])).count(), 0);
    let other = Selection::all(&[10, 4]);
    assert_eq!(grid.touched(&other).count(), 0);
}

#[test]
fn the_last_of_2_to_the_32_chunks_is_touched_without_a_way_through_the_others() {
    let shape = [u64::MAX];
    let grid = ChunkGrid::new(&shape, &[1 << 32]).unwrap();
    let ends = Selection::new([Span {
        start: 0,
        step: u64::MAX - 1,
        count: 2,
    }]);
    let touched: Vec<_> = grid.touched(&ends).collect();
    let coords: Vec<_> = touched.iter().map(|chunk| chunk.coords.to_vec()).collect();
    assert_eq!(coords, [[0], [u32::MAX]]);
    assert_eq!(touched[1].extent.as_slice(), &[u64::from(u32::MAX)]);
    assert_eq!(touched[1].at.as_slice(), &[1]);
    assert_eq!(grid.number(), 1 << 32);
    assert_eq!(grid.touched(&Selection::all(&shape)).take(9).count(), 9);
}

use super::*;

/// Points on some axes of an array, and what is selected of the others.
#[derive(Clone, Debug)]
struct Picking {
    case: Case,
    axes: Vec<usize>,
    places: Vec<u64>,
}

impl Picking {
    fn points(&self) -> Points {
        let axes = self.axes.iter().copied();
        Points::new(&self.case.selection, axes, self.places.clone())
    }

    /// Numbers of the elements, in the order of the data: counted one by one.
    fn elements(&self) -> Vec<usize> {
        let shape = self.points().shape();
        let index = |at: &[u64]| -> Vec<u64> {
            let point = at[self.axes[0]] as usize * self.axes.len();
            let span = |(axis, at): (usize, &u64)| match self.axes.iter().position(|a| *a == axis) {
                Some(column) => self.places[point + column],
                None => {
                    let span = self.case.selection.spans()[axis];
                    span.start + span.step * at
                }
            };
            at.iter().enumerate().map(span).collect()
        };
        let all = super::points(&shape);
        all.iter()
            .map(|at| number(&self.case.shape, &index(at)))
            .collect()
    }
}

prop_compose! {
    /// Numbers become places on the axes: also neighbours, which are copied as one, and
    /// the same ones again.
    fn picking()(
        case in prop_oneof![4 => cases(1..=3_usize, 7), 1 => cases(4..=5_usize, 3)],
        which in 1_u32..32,
        numbers in prop_oneof![vec(0..1000_u64, 0..9), (0..9_u64, 0..9_u64).prop_map(|(a, b)| (a..a + b).collect())],
    ) -> Picking {
        let rank = case.shape.len();
        let mut axes: Vec<usize> = (0..rank).filter(|axis| which >> axis & 1 == 1).collect();
        if axes.is_empty() {
            axes.push(rank - 1);
        }
        let is_empty = axes.iter().any(|axis| case.shape[*axis] == 0);
        let point = |number: u64| {
            let lengths = axes.iter().map(|axis| case.shape[*axis]);
            lengths.enumerate().map(move |(at, length)| number.wrapping_mul(at as u64 * 6 + 1) % length).collect::<Vec<_>>()
        };
        let places = match is_empty {
            true => Vec::new(),
            false => numbers.into_iter().flat_map(point).collect(),
        };
        Picking { case, axes, places }
    }
}

/// The box of a whole array.
fn origin(shape: &[u64]) -> Vec<u64> {
    vec![0; shape.len()]
}

proptest! {
    #[test]
    fn points_are_read_and_written_chunk_by_chunk_as_one_by_one(picking in picking()) {
        let (points, shape) = (picking.points(), &picking.case.shape);
        prop_assert_eq!(points.fault(shape), None);
        let elements = picking.elements();
        prop_assert_eq!(points.size() as usize, elements.len());
        let data = noise(len(shape) * 3, 1);
        let expected: Vec<u8> = elements.iter().flat_map(|n| &data[n * 3..][..3]).copied().collect();
        let counts = points.shape();

        // In one piece.
        let mut found = vec![0xee; expected.len()];
        let fits = points.piece(shape).gather(3, &data, &mut found, &counts);
        prop_assert!(fits);
        prop_assert_eq!(&found, &expected);

        // Bits, in one piece: read, and written among others.
        let bits = noise(data.len().div_ceil(8), 3);
        let bit = |bits: &[u8], at: usize| bits[at / 8] >> (at % 8) & 1;
        let mut taken = vec![0; elements.len().div_ceil(8)];
        prop_assert!(points.piece(shape).gather_bits(&bits, &mut taken, &counts));
        for (number, n) in elements.iter().enumerate() {
            prop_assert_eq!(bit(&taken, number), bit(&bits, *n));
        }
        let turned: Vec<u8> = bits.iter().map(|byte| !byte).collect();
        let mut mixed = turned.clone();
        prop_assert!(points.piece(shape).scatter_bits(&taken, &counts, &mut mixed));
        for n in 0..len(shape) {
            let from = if elements.contains(&n) { &bits } else { &turned };
            prop_assert_eq!(bit(&mixed, n), bit(from, n));
        }

        // In chunks, each of which is there once.
        let grid = ChunkGrid::new(shape, &picking.case.chunks).unwrap();
        let new = noise(expected.len(), 7);
        let (mut found, mut written) = (vec![0xee; expected.len()], data.clone());
        let mut seen = std::collections::BTreeSet::new();
        for piece in points.pieces(&grid) {
            let Touched { coords, extent, .. } = &piece.touched;
            prop_assert!(seen.insert(coords.clone()));
            let lengths = coords.iter().zip(&picking.case.chunks);
            let start: Vec<u64> = lengths.map(|(coord, chunk)| u64::from(*coord) * chunk).collect();
            let mut chunk = vec![0; len(extent) * 3];
            prop_assert!(gather(3, &written, shape, &boxed(&start, extent), &mut chunk, extent, &origin(shape)));
            let fits = piece.gather(3, &chunk, &mut found, &counts);
            prop_assert!(fits);
            let fits = piece.scatter(3, &new, &counts, &mut chunk);
            prop_assert!(fits);
            prop_assert!(gather(3, &chunk, extent, &Selection::all(extent), &mut written, shape, &start));
        }
        prop_assert_eq!(&found, &expected);
        let touched: std::collections::BTreeSet<_> = elements.iter().map(|n| {
            let mut rest = *n as u64;
            let mut coords: Vec<u32> = shape.iter().zip(&picking.case.chunks).rev().map(|(length, chunk)| {
                let at = rest % length;
                rest /= length;
                (at / chunk) as u32
            }).collect();
            coords.reverse();
            coords
        }).collect();
        prop_assert!(seen.iter().map(|coords| coords.to_vec()).eq(touched));

        // Of the same point the last one counts: the order of points is that of their axis.
        let mut expected = data;
        for point in 0..points.count() as u64 {
            let of_point = super::points(&counts);
            let all = elements.iter().zip(&of_point).enumerate();
            for (number, (n, _)) in all.filter(|(_, (_, at))| at[picking.axes[0]] == point) {
                expected[n * 3..][..3].copy_from_slice(&new[number * 3..][..3]);
            }
        }
        prop_assert_eq!(written, expected);
    }
}

#[test]
fn what_are_no_points_of_an_array_is_told() {
    let all = Selection::all(&[4, 5]);
    let fault = |axes: &[usize], places: &[u64]| {
        Points::new(&all, axes.iter().copied(), places.to_vec()).fault(&[4, 5])
    };
    assert_eq!(fault(&[0], &[3, 0, 3]), None);
    assert_eq!(fault(&[0, 1], &[3, 4]), None);
    for (axes, places, told) in [
        (&[][..], &[][..], "at least one"),
        (&[1, 0], &[1, 0], "rising"),
        (&[0, 0], &[1, 0], "rising"),
        (&[2], &[1], "rising"),
        (&[0, 1], &[1, 0, 1], "not as many"),
        (&[0], &[0, 4], "index 4 on axis 0, which has length 4"),
        (&[0, 1], &[0, 5], "index 5 on axis 1, which has length 5"),
    ] {
        let fault = fault(axes, places).expect("told");
        assert!(fault.contains(told), "{fault}");
    }
    let beyond = Selection::new([Span::all(1), Span::range(3..6)]);
    let fault = Points::new(&beyond, [0], vec![1]).fault(&[4, 5]);
    assert!(fault.expect("told").contains("index 5 on axis 1"));
    let short = Selection::new([Span::all(1)]);
    assert!(Points::new(&short, [0], vec![1]).fault(&[4, 5]).is_some());
    // A hostile one gives no elements and no panic.
    let wild = Points::new(&beyond, [7], vec![u64::MAX; 3]);
    let grid = ChunkGrid::new(&[4, 5], &[2, 2]).unwrap();
    assert!(wild.pieces(&grid).is_empty() && wild.fault(&[4, 5]).is_some());
}

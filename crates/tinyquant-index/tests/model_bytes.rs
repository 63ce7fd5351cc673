//! Models and images as bytes: round trips, truncation, mutation.

mod common;

use common::{
    METRICS, Random, best, bitmap, build, bytes_of, clustered, code, config, exact, exactly,
    keeping, partitioned, search, thorough, within,
};
use std::sync::Arc;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{
    Column, Error, Filter, IdImage, IdRef, Ids, Image, Index, IndexConfig, Metric, Model,
    Originals, Part,
};

fn copied(column: &Column) -> Column {
    Column::copied(column)
}

/// The parts of an image under another model, if they can be.
fn parts(
    image: &Image,
    model: &Model,
    change: impl Fn(&Column) -> Column,
) -> Result<Vec<Arc<Part>>, Error> {
    let of_part = |part: &Arc<Part>| {
        let [blocks, tails, numbers, starts] =
            [part.blocks(), part.tails(), part.numbers(), part.starts()];
        let (blocks, tails) = (change(blocks), change(tails));
        Part::from_columns(
            model,
            part.rows(),
            blocks,
            tails,
            copied(numbers),
            copied(starts),
        )
        .map(Arc::new)
    };
    image.parts.iter().map(of_part).collect()
}

/// A few kinds of models with rows of theirs.
fn cases() -> Vec<(IndexConfig, Index, Vec<f32>)> {
    let case = |config: IndexConfig, fit: bool, partitions: usize| {
        let values = clustered(1, 300, config.dim());
        let index = build(config, &partitioned(fit, partitions), &values);
        assert_eq!(index.is_fitted(), fit);
        (config, index, values)
    };
    vec![
        case(config(20, 3, Metric::Dot), false, 1),
        case(config(70, 8, Metric::L2), false, 4),
        case(config(100, 2, Metric::Cosine), true, 1),
        case(keeping(90, 4, Metric::L2, Originals::F16), true, 6),
        case(config(140, 1, Metric::Dot), true, 3),
    ]
}

#[test]
fn an_image_is_the_index() {
    for (config, index, values) in cases() {
        index.remove(&[3, 77].map(IdRef::Whole)).unwrap();
        index
            .add(&values[..5 * config.dim()], Ids::Next, &Control::default())
            .unwrap();
        let image = index.image().unwrap();
        let bytes = image.model.to_bytes();
        let model = Model::from_bytes(&config, &bytes).unwrap();
        assert_eq!(model.to_bytes(), bytes);
        assert_eq!(model.is_fitted(), image.model.is_fitted());
        assert_eq!(model.partitions(), image.model.partitions());
        assert_eq!(model.segments(), image.model.segments());
        assert_eq!(model.block_bytes(), image.model.block_bytes());
        assert_eq!(model.tail_bytes(), image.model.tail_bytes());
        let per_row = model.block_bytes() as f64 / 16.0 + model.tail_bytes() as f64 + 4.0;
        assert!((model.code_bytes_per_row() as f64 - per_row).abs() < 1.0);
        let reopened = Image {
            parts: parts(&image, &model, copied).unwrap(),
            originals: image.originals.iter().map(copied).collect(),
            model: Arc::new(model),
            ..image.clone()
        };
        let reopened = Index::from_image(reopened).unwrap();
        assert_eq!(reopened.config(), &config);
        for index in [&index, &reopened] {
            index
                .add(&values[..9 * config.dim()], Ids::Next, &Control::default())
                .unwrap();
            assert_eq!(index.remove(&[4, 300, 301].map(IdRef::Whole)).unwrap(), 3);
        }
        for options in [best(20), exact(20), thorough(20)] {
            let [got, expected] = [&reopened, &index].map(|index| search(index, &values, &options));
            assert_eq!(exactly(&got), exactly(&expected));
        }
        let [got, expected] = [&reopened, &index].map(|index| index.reconstruct(IdRef::Whole(9)));
        assert_eq!(got, expected);
        assert_eq!((reopened.stats().rows, reopened.len()), (314, 309));
    }
}

#[test]
fn models_that_end_early_or_late() {
    for (config, index, _) in cases() {
        let bytes = index.image().unwrap().model.to_bytes();
        for len in 0..bytes.len() {
            let result = Model::from_bytes(&config, &bytes[..len]);
            assert_eq!(code(result), ErrorCode::Format, "{len}");
        }
        for more in [1, 2, 64] {
            let longer = [&bytes[..], &vec![0; more]].concat();
            assert_eq!(code(Model::from_bytes(&config, &longer)), ErrorCode::Format);
        }
    }
}

/// Counts, widths, factors, means, axes and centres that no model has.
#[test]
fn fields_outside_their_ranges() {
    const STEP: usize = 20;
    const SEGMENTS: usize = 24;
    for (config, index, _) in cases() {
        let bytes = index.image().unwrap().model.to_bytes();
        let segments = index.stats().segments.len();
        let coded = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        let factors = SEGMENTS + 8 * segments;
        let after = factors + 8 * coded;
        let refused = |at: usize, field: &[u8]| {
            let mut changed = bytes.clone();
            changed[at..at + field.len()].copy_from_slice(field);
            let result = Model::from_bytes(&config, &changed);
            assert_eq!(code(result), ErrorCode::Format, "{field:?} at {at}");
        };
        refused(0, &[2]);
        refused(3, &[1]);
        for count in [0, 100, u32::MAX] {
            for at in [4, 8, 12, SEGMENTS] {
                refused(at, &count.to_le_bytes());
            }
        }
        for count in [0, 1 << 20, u32::MAX] {
            refused(16, &count.to_le_bytes());
        }
        for width in [0, 7, 9, u32::MAX] {
            refused(SEGMENTS + 4, &u32::to_le_bytes(width));
        }
        refused(factors, &u32::MAX.to_le_bytes());
        refused(factors, &f32::INFINITY.to_le_bytes());
        refused(factors + 4, &24_u32.to_le_bytes());
        if index.stats().partitions > 1 {
            for step in [0.0, -1.0, f32::INFINITY, f32::NAN] {
                refused(STEP, &f32::to_le_bytes(step));
            }
            // A centre twice as long as any vector.
            let columns = 64
                * index
                    .stats()
                    .segments
                    .iter()
                    .map(|(len, _)| len / 64)
                    .sum::<usize>();
            let long = 32_000_i16.to_le_bytes().repeat(columns.min(64));
            refused(bytes.len() - long.len(), &long);
        }
        if index.is_fitted() {
            for mean in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                refused(after, &mean.to_le_bytes());
                refused(after + 4 * (config.dim() - 1), &mean.to_le_bytes());
            }
            let axes = after + 4 * config.dim();
            refused(axes, &32_000_i16.to_le_bytes().repeat(config.dim()));
        }
    }
}

#[test]
fn models_of_other_configurations() {
    for (config, index, _) in cases() {
        let bytes = index.image().unwrap().model.to_bytes();
        for dim in [2, 64, 128, 1000, 16384] {
            let (bits, metric, kind) = (config.bits(), config.metric(), config.id_kind());
            let other = IndexConfig::new(dim, bits, metric, 1, kind, Originals::None).unwrap();
            if let Ok(model) = Model::from_bytes(&other, &bytes) {
                assert_eq!(dim.next_multiple_of(64), config.dim().next_multiple_of(64));
                assert_eq!(model.to_bytes(), bytes);
            }
        }
    }
}

/// Searches, adds and reads back. Scores may be anything, even no numbers, but hits are as many as there can be.
fn use_everything(index: &Index, values: &[f32]) {
    let dim = index.config().dim();
    let queries = &values[..3 * dim];
    let filter = Filter::Rows(bitmap((0..300).step_by(7)));
    for options in [best(10), exact(10), thorough(400), within(&best(5), filter)] {
        for hits in search(index, queries, &options) {
            assert_eq!(hits.scores.len(), options.k.min(300));
        }
    }
    for id in [0, 150, 299] {
        assert_eq!(index.reconstruct(IdRef::Whole(id)).unwrap().len(), dim);
    }
    let control = Control::default();
    index.add(&values[..20 * dim], Ids::Next, &control).unwrap();
    assert_eq!(index.remove(&[1, 2, 310].map(IdRef::Whole)).unwrap(), 3);
    search(index, queries, &best(330));
    search(index, &values[..30 * dim], &best(7));
}

#[test]
fn mutated_models() {
    let mut random = Random(1);
    let mut accepted = 0;
    for (config, index, values) in cases() {
        let image = index.image().unwrap();
        let bytes = image.model.to_bytes();
        let head = 24 + 16 * index.stats().segments.len();
        for round in 0..400 {
            let mut changed = bytes.clone();
            for _ in 0..=random.below(3) {
                // Two of three in the counts, widths and factors; values at the ends of their ranges, or any.
                let within = if round % 3 == 0 {
                    bytes.len()
                } else {
                    head.min(bytes.len())
                };
                let at = random.below(within);
                changed[at] = match random.below(4) {
                    0 => [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                    1 => changed[at] ^ (1 << random.below(8)),
                    _ => random.below(256) as u8,
                };
            }
            let model = match Model::from_bytes(&config, &changed) {
                Ok(model) => model,
                Err(error) => {
                    assert_eq!(error.code(), ErrorCode::Format);
                    continue;
                }
            };
            accepted += 1;
            if model.partitions() == 1 {
                // The step of centres that there are not.
                changed[20..24].fill(0);
            }
            assert_eq!(model.to_bytes(), changed);
            let Ok(parts) = parts(&image, &model, copied) else {
                // Codes of another size: an index that begins with this model.
                let empty = Image {
                    model: Arc::new(model),
                    rows: 0,
                    live: 0,
                    parts: vec![],
                    originals: vec![],
                    ..image.clone()
                };
                let index = Index::from_image(empty).unwrap();
                index.add(&values, Ids::Next, &Control::default()).unwrap();
                use_everything(&index, &values);
                continue;
            };
            let image = Image {
                model: Arc::new(model),
                parts,
                ..image.clone()
            };
            use_everything(&Index::from_image(image).unwrap(), &values);
        }
    }
    assert!(accepted > 200, "{accepted}");
}

#[test]
fn codes_that_are_noise() {
    let mut random = Random(2);
    for (_, index, values) in cases() {
        let image = index.image().unwrap();
        for round in 0..20 {
            let bytes: Vec<u8> = (0..10_000)
                .map(|_| {
                    if round == 0 {
                        255
                    } else {
                        random.below(256) as u8
                    }
                })
                .collect();
            let noise = |column: &Column| {
                let bytes = bytes.iter().cycle().take(column.len());
                Column::copied(&bytes.copied().collect::<Vec<u8>>())
            };
            let model = Arc::clone(&image.model);
            let parts = parts(&image, &model, noise).unwrap();
            let image = Image {
                model,
                parts,
                ..image.clone()
            };
            use_everything(&Index::from_image(image).unwrap(), &values);
        }
    }
}

#[test]
fn columns_that_do_not_fit() {
    for (_, index, _) in cases() {
        let image = index.image().unwrap();
        let (model, part) = (&image.model, &image.parts[0]);
        let own = || [part.blocks(), part.tails(), part.numbers(), part.starts()].map(copied);
        let with = |rows: usize, [blocks, tails, numbers, starts]: [Column; 4]| {
            Part::from_columns(model, rows, blocks, tails, numbers, starts)
        };
        with(300, own()).unwrap();
        for rows in [0, 299, 301, 1 << 40, usize::MAX] {
            assert_eq!(code(with(rows, own())), ErrorCode::Format);
        }
        for which in 0..4 {
            for change in [-1, 1] {
                let mut columns = own();
                let mut bytes = columns[which].to_vec();
                bytes.resize(bytes.len().saturating_add_signed(change), 0);
                if bytes.len() != columns[which].len() {
                    columns[which] = Column::copied(&bytes);
                    assert_eq!(code(with(300, columns)), ErrorCode::Format);
                }
            }
        }
        // Where partitions start: not at 0, not in order, not to the end.
        let lists = model.partitions();
        for (at, value) in [
            (0, 1_u32),
            (lists, 299),
            (lists, 301),
            (lists / 2, u32::MAX),
            (1, 301),
        ] {
            let mut columns = own();
            let mut starts = columns[3].to_vec();
            starts[4 * at..4 * at + 4].copy_from_slice(&value.to_le_bytes());
            columns[3] = Column::copied(&starts);
            assert_eq!(code(with(300, columns)), ErrorCode::Format, "{at} {value}");
        }
        // Numbers: each below the rows, and once.
        for (first, second) in [(0_u32, 0_u32), (300, 1), (u32::MAX, 2)] {
            let mut columns = own();
            let mut numbers = columns[2].to_vec();
            numbers[..4].copy_from_slice(&first.to_le_bytes());
            numbers[4..8].copy_from_slice(&second.to_le_bytes());
            columns[2] = Column::copied(&numbers);
            let part = with(300, columns).unwrap();
            assert_eq!(code(part.verify(300, &mut [0; 5])), ErrorCode::Format);
        }
        part.verify(300, &mut [0; 5]).unwrap();
        assert_eq!(code(part.verify(299, &mut [0; 5])), ErrorCode::Format);
        assert_eq!(code(part.verify(300, &mut [0; 4])), ErrorCode::Format);
    }
}

#[test]
fn images_that_contradict_themselves() {
    let (config, index, values) = cases().remove(3);
    assert_eq!(config.originals(), Originals::F16);
    let image = index.image().unwrap();
    let refused = |change: &dyn Fn(&mut Image)| {
        let mut image = image.clone();
        change(&mut image);
        code(Index::from_image(image))
    };
    assert_eq!(refused(&|image| image.rows = 299), ErrorCode::Format);
    assert_eq!(refused(&|image| image.rows = 1 << 33), ErrorCode::Format);
    assert_eq!(refused(&|image| image.live = 301), ErrorCode::Format);
    assert_eq!(refused(&|image| image.originals.clear()), ErrorCode::Format);
    assert_eq!(
        refused(&|image| image.originals.push(Column::copied(&[0; 180]))),
        ErrorCode::Format
    );
    assert_eq!(refused(&|image| image.parts.clear()), ErrorCode::Format);
    // Counts that only looking at every row would tell: nothing breaks.
    for (live, dead) in [
        (1, vec![]),
        (0, vec![]),
        (300, vec![u64::MAX; 5]),
        (300, vec![u64::MAX; 500]),
    ] {
        let image = Image {
            live,
            dead: Arc::new(dead),
            ..image.clone()
        };
        let index = Index::from_image(image).unwrap();
        for options in [
            best(50),
            exact(50),
            within(&best(9), Filter::Rows(vec![255; 40])),
        ] {
            search(&index, &values[..4 * config.dim()], &options);
        }
        let ids: Vec<_> = (0..300).map(IdRef::Whole).collect();
        index.remove(&ids).unwrap();
        assert!(index.len() <= 300, "{live} rows were said to be there");
        index
            .add(&values[..3 * config.dim()], Ids::Next, &Control::default())
            .unwrap();
        search(&index, &values[..4 * config.dim()], &best(50));
    }
    // Ids that are too few, or of the other kind.
    for later in [
        Ids::Whole(vec![]),
        Ids::Whole(vec![7; 300]),
        Ids::Text(vec!["a".into(); 300]),
    ] {
        let ids = IdImage::Listed {
            stored: None,
            later,
        };
        let index = Index::from_image(Image {
            ids,
            ..image.clone()
        })
        .unwrap();
        let result = index.search(&values[..config.dim()], &best(300), &Control::default());
        if let Err(error) = result {
            assert_eq!(error.code(), ErrorCode::Format);
        }
        for id in [0, 7, 299] {
            index.has(IdRef::Whole(id)).unwrap();
            index.remove(&[IdRef::Whole(id)]).unwrap();
        }
    }
}

#[test]
fn bytes_are_the_same_at_every_save() {
    for metric in METRICS {
        let values = clustered(1, 600, 100);
        let [a, b] = [0, 1].map(|_| {
            let index = build(config(100, 2, metric), &partitioned(true, 11), &values);
            bytes_of(&index.image().unwrap())
        });
        assert_eq!(a, b);
    }
}

//! Splitting partitions that have grown.

use crate::centroids::Centroids;
use crate::model::Model;
use crate::part::{Part, Run, compose};
use crate::state::{State, by_list};
use std::sync::Arc;

/// Rows up to which no partition is split.
const FEW: usize = 256;
/// A split waits until partitions beyond the limit hold this share of the rows: it copies all of them.
const SHARE: usize = 8;
/// A half is at least this part of a group: otherwise splitting would take as many rounds as there are rows.
const LEAST_SHARE: usize = 16;
/// Rounds of assigning and averaging.
const ROUNDS: usize = 4;

/// A row of a part, as (part, row), and what its codes stand for.
struct Member {
    at: (usize, usize),
    values: Vec<f32>,
}

/// A model with more partitions and all parts as one, if enough rows lie in partitions larger than the root of the
/// number of rows. Codes stay as they are; rows only change their partition.
pub(crate) fn split(state: &State) -> Option<(Model, Part)> {
    let (model, limit) = (&state.model, (state.live as usize).isqrt().max(FEW));
    let centroids = model.centroids()?;
    let size = |list: usize| {
        state
            .parts
            .iter()
            .map(|part| part.range(list).len())
            .sum::<usize>()
    };
    let large: Vec<usize> = (0..model.partitions())
        .filter(|list| size(*list) > limit)
        .collect();
    let rows: usize = large.iter().map(|list| size(*list)).sum();
    if rows * SHARE < state.stored() {
        return None;
    }
    let columns = centroids.columns();
    let mut centres: Vec<f32> = (0..centroids.len())
        .flat_map(|list| centroids.centre(list))
        .collect();
    let mut lists: Vec<Vec<u32>> = state
        .parts
        .iter()
        .map(|part| part.lists(model.partitions()))
        .collect();
    for list in large {
        let mut groups = vec![members(state, list, columns)];
        let mut is_first = true;
        while let Some(group) = groups.pop() {
            if group.len() > limit
                && let Some(halves) = bisect(&group, columns)
            {
                let (first, second): (Vec<_>, Vec<_>) = group
                    .into_iter()
                    .zip(halves)
                    .partition(|(_, is_second)| !is_second);
                groups.extend(
                    [first, second]
                        .map(|half| half.into_iter().map(|(member, _)| member).collect()),
                );
                continue;
            }
            let centre = mean(group.iter(), columns);
            let target = if is_first {
                list
            } else {
                centres.len() / columns
            };
            if is_first {
                centres[list * columns..(list + 1) * columns].copy_from_slice(&centre);
            } else {
                centres.extend(centre);
            }
            is_first = false;
            for Member {
                at: (part, row), ..
            } in group
            {
                lists[part][row] = target as u32;
            }
        }
    }
    let model = model.with_centroids(Centroids::round(columns, &centres));
    let numbers: Vec<Vec<u32>> = state.parts.iter().map(|part| part.all_numbers()).collect();
    let runs: Vec<Run> = state
        .parts
        .iter()
        .zip(&numbers)
        .zip(&lists)
        .map(|((part, numbers), lists)| {
            by_list(part.coded(model.plan()), numbers, lists, model.partitions())
        })
        .collect();
    let part = compose(&model, &runs, &state.dead);
    Some((model, part))
}

fn members(state: &State, list: usize, columns: usize) -> Vec<Member> {
    let mut members = Vec::new();
    for (index, part) in state.parts.iter().enumerate() {
        let rows = part.coded(state.model.plan());
        members.extend(part.range(list).map(|row| {
            let mut values = state.model.decode(rows, row);
            let norm = state.model.norm(rows, row);
            values.truncate(columns);
            values.shrink_to_fit();
            for value in &mut values {
                *value *= norm;
            }
            Member {
                at: (index, row),
                values,
            }
        }));
    }
    members
}

/// Which of two groups each member is nearer to, or where one of them would be far smaller, which half of the group it
/// is in from one end to the other; none if they do not fall apart.
fn bisect(group: &[Member], columns: usize) -> Option<Vec<bool>> {
    let first = group.first()?;
    let far = |from: &Member| {
        let apart = |member: &&Member| distance(&from.values, &member.values);
        group.iter().max_by(|a, b| apart(a).total_cmp(&apart(b)))
    };
    let one = far(first)?;
    let other = far(one)?;
    let (mut one, mut other) = (one.values.clone(), other.values.clone());
    for round in 1.. {
        let nearer =
            |Member { values, .. }: &Member| distance(values, &one) - distance(values, &other);
        let by: Vec<f32> = group.iter().map(nearer).collect();
        let sides: Vec<bool> = by.iter().map(|by| *by > 0.0).collect();
        let second = sides.iter().filter(|side| **side).count();
        if LEAST_SHARE * second.min(group.len() - second) < group.len() {
            return halve(&by);
        }
        if round == ROUNDS {
            return Some(sides);
        }
        let side = |wanted: bool| {
            let sided = group.iter().zip(&sides);
            let chosen = sided.filter(move |(_, side)| **side == wanted);
            mean(chosen.map(|(member, _)| member), columns)
        };
        (one, other) = (side(false), side(true));
    }
    None
}

/// Which values are in the upper half; none if all are equal.
fn halve(values: &[f32]) -> Option<Vec<bool>> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (first, last) = (order.first()?, order.last()?);
    if values[*first].total_cmp(&values[*last]).is_eq() {
        return None;
    }
    let mut is_upper = vec![false; values.len()];
    for at in &order[values.len() / 2..] {
        is_upper[*at] = true;
    }
    Some(is_upper)
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn mean<'a>(members: impl Iterator<Item = &'a Member>, columns: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0_f64; columns], 0_u32);
    for member in members {
        count += 1;
        for (sum, value) in sums.iter_mut().zip(&member.values) {
            *sum += f64::from(*value);
        }
    }
    let count = f64::from(count.max(1));
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

/// The state after a split.
pub(crate) fn apply(state: &mut State, model: Model, part: Part) {
    let parts = state.parts.len();
    state.model = Arc::new(model);
    state.replace(0, parts, part);
}

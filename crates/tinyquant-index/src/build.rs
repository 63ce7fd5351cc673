//! Indexes of many rows at once.

use crate::model::Model;
use crate::options::{BuildOptions, Partitions};
use crate::{Error, Ids, Index, IndexConfig, clusters, fit};
use std::sync::Arc;
use tinyquant_codec::Control;

/// Most partitions that can be asked for.
const MOST_PARTITIONS: usize = 65_536;

impl Index {
    /// An index of rows of `dim` values, on the current pool. Fitting looks at 20,000 of them.
    ///
    /// # Errors
    /// As [`Index::add`]; `InvalidArgument` for 0 or more than 65,536 partitions.
    pub fn build(
        config: IndexConfig,
        options: &BuildOptions,
        values: &[f32],
        ids: Ids,
        control: &Control,
    ) -> Result<Self, Error> {
        let model = |control: &Control| {
            if options.fit {
                fit::fit(&config, values, control)
            } else {
                Ok(Model::unfitted(&config))
            }
        };
        Self::assemble(config, options.partitions, model, values, ids, control)
    }

    /// An index of rows that have the codes and scores which they would have in another index: its rotation and its
    /// segments are taken over. Partitions are those of the rows.
    ///
    /// # Errors
    /// As [`Index::build`]; `InvalidArgument` where dimension, bits, metric or seed are not those of `like`.
    pub fn build_like(
        config: IndexConfig,
        like: &Self,
        partitions: Partitions,
        values: &[f32],
        ids: Ids,
        control: &Control,
    ) -> Result<Self, Error> {
        let other = like.config();
        if (config.dim(), config.bits(), config.metric(), config.seed())
            != (other.dim(), other.bits(), other.metric(), other.seed())
        {
            return Err(Error::invalid(
                "dim, bits, metric and seed must be those of the index whose fit is used",
            ));
        }
        let model = |_: &Control| Ok(like.model().without_centroids());
        Self::assemble(config, partitions, model, values, ids, control)
    }

    fn assemble(
        config: IndexConfig,
        partitions: Partitions,
        model: impl FnOnce(&Control) -> Result<Model, Error>,
        values: &[f32],
        ids: Ids,
        control: &Control,
    ) -> Result<Self, Error> {
        if let Partitions::Count(count) = partitions
            && !(1..=MOST_PARTITIONS).contains(&count)
        {
            return Err(Error::invalid(format!(
                "partitions must be from 1 to {MOST_PARTITIONS}, got {count}"
            )));
        }
        let index = Self::new(config)?;
        let rows = index.check(values)?;
        let silent = Control {
            progress: None,
            ..*control
        };
        let mut model = model(&silent)?;
        let count = match partitions {
            Partitions::Auto => clusters::auto(rows),
            Partitions::Count(count) => count.min(rows.max(1)),
        };
        if count > 1 {
            let centroids = clusters::find(&model, values, count, config.seed(), &silent)?;
            model = model.with_centroids(centroids);
        }
        index.set_model(model)?;
        index.add(values, ids, control)?;
        Ok(index)
    }

    fn model(&self) -> Arc<Model> {
        Arc::clone(&self.snapshot().model)
    }
}

//! Search over quantized vectors: ids, filters, exact counts of hits, and files' worth of state to save.

mod build;
mod centroids;
mod clusters;
mod column;
mod config;
mod encoder;
mod error;
mod fit;
mod id;
mod image;
mod index;
mod model;
mod names;
mod options;
mod originals;
mod part;
mod rotation;
mod rows;
mod scanner;
mod search;
mod segments;
mod shortlist;
mod split;
mod state;
mod view;
mod want;

pub use column::{Bytes, Column};
pub use config::{IdKind, IndexConfig, Metric, Originals};
pub use error::Error;
pub use id::{Id, IdRef, Ids};
pub use image::{IdImage, Image, StoredIds};
pub use index::Index;
pub use model::Model;
pub use options::{BuildOptions, Filter, Hits, IdList, Partitions, SearchOptions, Stats};
pub use part::Part;
pub use view::{CodedPage, UnitQueries, View};

//! The compiled shaders.

use crate::{Backend, Error};
use wgpu::{
    ComputePipeline, ComputePipelineDescriptor, PipelineCompilationOptions, ShaderModuleDescriptor,
    ShaderSource,
};

pub(crate) const FLOAT: &str = include_str!("shaders/float.wgsl");
const ORDER: &str = include_str!("shaders/order.wgsl");

/// Every shader of the backend.
pub(crate) struct Pipelines {
    pub(crate) whole: ComputePipeline,
    pub(crate) rotate: ComputePipeline,
    pub(crate) encode: ComputePipeline,
    pub(crate) decode: ComputePipeline,
    pub(crate) finish: ComputePipeline,
    pub(crate) score_codebook: ComputePipeline,
    pub(crate) score_units: ComputePipeline,
    pub(crate) count: ComputePipeline,
    pub(crate) pick: ComputePipeline,
    pub(crate) collect: ComputePipeline,
}

impl Pipelines {
    pub(crate) fn new(backend: &Backend) -> Result<Self, Error> {
        let select = include_str!("shaders/select.wgsl");
        let make = |name, parts: &[&str], entry| compile(backend, name, parts, entry);
        Ok(Self {
            whole: make("whole", &[include_str!("shaders/whole.wgsl")], "main")?,
            rotate: make("rotate", &[include_str!("shaders/rotate.wgsl")], "main")?,
            encode: make(
                "encode",
                &[FLOAT, include_str!("shaders/encode.wgsl")],
                "main",
            )?,
            decode: make(
                "decode",
                &[FLOAT, include_str!("shaders/decode.wgsl")],
                "main",
            )?,
            finish: make(
                "finish",
                &[FLOAT, include_str!("shaders/finish.wgsl")],
                "main",
            )?,
            score_codebook: make(
                "score_codebook",
                &[FLOAT, ORDER, include_str!("shaders/score_codebook.wgsl")],
                "main",
            )?,
            score_units: make(
                "score_units",
                &[ORDER, include_str!("shaders/score_units.wgsl")],
                "main",
            )?,
            count: make("count", &[select], "count")?,
            pick: make("pick", &[select], "pick")?,
            collect: make("collect", &[select], "collect")?,
        })
    }
}

/// Compiles one entry point of a shader that consists of parts.
pub(crate) fn compile(
    backend: &Backend,
    name: &'static str,
    parts: &[&str],
    entry: &str,
) -> Result<ComputePipeline, Error> {
    let module = backend.device.create_shader_module(ShaderModuleDescriptor {
        label: Some(name),
        source: ShaderSource::Wgsl(parts.concat().into()),
    });
    let pipeline = backend
        .device
        .create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some(entry),
            compilation_options: PipelineCompilationOptions::default(),
            cache: None,
        });
    match backend.check() {
        Ok(()) => Ok(pipeline),
        Err(Error::Device { reason }) => Err(Error::Shader {
            shader: name,
            reason,
        }),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Preference};

    #[test]
    #[ignore = "needs a software Vulkan device: npm test -- gpu"]
    fn a_refused_shader_is_an_error_with_the_words_of_the_validation() {
        let backend = Backend::new(&Options::new(Preference::Software)).unwrap();
        let text = "@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }";
        let error = compile(&backend, "broken", &[text], "main").err().unwrap();
        assert!(
            matches!(&error, Error::Shader { shader: "broken", reason } if reason.contains("1.5")),
            "{error}"
        );
        backend.load_pipelines().unwrap();
    }
}

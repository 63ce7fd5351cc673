//! A device with its queue, and what happens to it.

use crate::matrix::Matrices;
use crate::memory::{Budget, Buffer};
use crate::pipelines::Pipelines;
use crate::preference::device_type;
use crate::{Error, Preference};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BufferDescriptor, BufferUsages, CommandEncoder,
    CommandEncoderDescriptor, ComputePassDescriptor, ComputePipeline, Device, DeviceDescriptor,
    ExperimentalFeatures, Features, MapMode, MemoryHints, PollType, Queue, SubmissionIndex, Trace,
};

/// Bytes that are handed to the driver before it is waited for.
const PIECE: usize = 32 << 20;

/// Device memory that a backend takes by default.
pub const DEFAULT_MEMORY: u64 = 1 << 30;

/// How a backend is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Which adapter is taken.
    pub preference: Preference,
    /// Bytes that the buffers of the backend may take together.
    pub max_memory: u64,
    /// Bytes of one binding, where less than the adapter allows is wanted.
    pub max_binding: Option<u64>,
}

impl Options {
    /// The defaults for a preference.
    pub const fn new(preference: Preference) -> Self {
        Self {
            preference,
            max_memory: DEFAULT_MEMORY,
            max_binding: None,
        }
    }
}

/// What the drivers say about an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Name of the adapter.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub device_type: &'static str,
    /// Name of the driver.
    pub driver: String,
    /// Version of the driver.
    pub driver_info: String,
    /// Number of the vendor.
    pub vendor: u32,
    /// Number of the device.
    pub device: u32,
}

/// What bounds the work of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one buffer.
    pub max_buffer_size: u64,
    /// Bytes of one binding; larger data is split.
    pub max_binding_size: u64,
    /// Workgroups of one dispatch along one dimension; larger work is split.
    pub max_workgroups: u32,
    /// Bytes of all buffers of this backend.
    pub max_memory: u64,
}

/// What went wrong since somebody looked.
#[derive(Debug, Default)]
struct Faults {
    /// Stays.
    lost: Option<String>,
    first: Option<Error>,
}

/// A device that compresses, decompresses and searches. One thread at a time works with it.
pub struct Backend {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
    info: AdapterInfo,
    limits: Limits,
    faults: Arc<Mutex<Faults>>,
    pub(crate) budget: Arc<Budget>,
    pipelines: Mutex<Option<Arc<Pipelines>>>,
    pub(crate) matrices: Mutex<Matrices>,
}

impl Backend {
    /// Opens the best adapter for the preference.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::NoDevice`], [`Error::AdapterLimit`]; all `ERR_TQ_GPU`.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let adapter = options.preference.adapter()?;
        let described = adapter.get_info();
        let info = AdapterInfo {
            name: described.name,
            backend: described.backend.to_str().to_owned(),
            device_type: device_type(described.device_type),
            driver: described.driver,
            driver_info: described.driver_info,
            vendor: described.vendor,
            device: described.device,
        };
        let allowed = adapter.limits();
        let opened = adapter.request_device(&DeviceDescriptor {
            label: Some("tinyquant"),
            required_features: Features::empty(),
            required_limits: allowed.clone(),
            experimental_features: ExperimentalFeatures::disabled(),
            memory_hints: MemoryHints::Performance,
            trace: Trace::Off,
        });
        let (device, queue) = pollster::block_on(opened).map_err(|error| Error::NoDevice {
            adapter: info.name.clone(),
            reason: error.to_string(),
        })?;
        let faults = Arc::new(Mutex::new(Faults::default()));
        let noted = Arc::clone(&faults);
        device.on_uncaptured_error(Arc::new(move |error| {
            let error = fault(error);
            lock(&noted).first.get_or_insert(error);
        }));
        let noted = Arc::clone(&faults);
        device.set_device_lost_callback(move |_, reason| {
            lock(&noted).lost.get_or_insert(reason);
        });
        let binding = allowed
            .max_storage_buffer_binding_size
            .min(allowed.max_buffer_size);
        let limits = Limits {
            max_buffer_size: allowed.max_buffer_size,
            max_binding_size: options
                .max_binding
                .map_or(binding, |most| most.min(binding)),
            max_workgroups: allowed.max_compute_workgroups_per_dimension,
            max_memory: options.max_memory,
        };
        let needs = [
            (
                "a workgroup",
                256,
                allowed.max_compute_invocations_per_workgroup,
            ),
            ("a search", 8, allowed.max_storage_buffers_per_shader_stage),
        ];
        for (what, needed, limit) in needs {
            if limit < needed {
                let (needed, limit) = (needed.into(), limit.into());
                return Err(Error::AdapterLimit {
                    what,
                    needed,
                    limit,
                });
            }
        }
        Ok(Self {
            device,
            queue,
            info,
            limits,
            faults,
            budget: Budget::new(options.max_memory),
            pipelines: Mutex::default(),
            matrices: Mutex::default(),
        })
    }

    /// What the drivers say about the adapter.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// What bounds the work.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Bytes that buffers take now.
    pub fn memory_used(&self) -> u64 {
        self.budget.used()
    }

    /// Compiles all shaders, unless that was done.
    ///
    /// # Errors
    /// [`Error::Shader`], [`Error::Lost`].
    pub fn load_pipelines(&self) -> Result<(), Error> {
        self.pipelines().map(|_| ())
    }

    /// Gives the device up: whatever needs it from now on fails with [`Error::Lost`].
    pub fn destroy(&self) {
        self.device.destroy();
        lock(&self.faults)
            .lost
            .get_or_insert_with(|| "the backend was closed".to_owned());
        lock(&self.matrices).clear();
    }

    /// All shaders.
    pub(crate) fn pipelines(&self) -> Result<Arc<Pipelines>, Error> {
        self.check()?;
        let mut kept = lock(&self.pipelines);
        if let Some(pipelines) = &*kept {
            return Ok(Arc::clone(pipelines));
        }
        let pipelines = Arc::new(Pipelines::new(self)?);
        *kept = Some(Arc::clone(&pipelines));
        Ok(pipelines)
    }

    /// Fails with what the device has reported since the last call.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::OutOfMemory`], [`Error::Device`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut faults = lock(&self.faults);
        let first = faults.first.take();
        match (&faults.lost, first) {
            (Some(reason), _) => Err(Error::Lost {
                reason: reason.clone(),
            }),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }

    /// A buffer of at least `bytes`, a whole number of words.
    ///
    /// # Errors
    /// [`Error::MemoryBound`], [`Error::AdapterLimit`], [`Error::OutOfMemory`], [`Error::Lost`].
    pub(crate) fn buffer(
        &self,
        label: &'static str,
        bytes: u64,
        usage: BufferUsages,
    ) -> Result<Buffer, Error> {
        let size = bytes.max(16).next_multiple_of(4);
        if size > self.limits.max_buffer_size {
            return Err(Error::AdapterLimit {
                what: label,
                needed: size,
                limit: self.limits.max_buffer_size,
            });
        }
        let share = self.budget.take(size)?;
        let raw = self.device.create_buffer(&BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        });
        let buffer = Buffer::new(raw, share);
        self.check()?;
        Ok(buffer)
    }

    /// A buffer that shaders read and the host fills.
    pub(crate) fn input(&self, label: &'static str, bytes: u64) -> Result<Buffer, Error> {
        self.buffer(label, bytes, BufferUsages::STORAGE | BufferUsages::COPY_DST)
    }

    /// A buffer that shaders write and read, and that can be copied and cleared.
    pub(crate) fn storage(&self, label: &'static str, bytes: u64) -> Result<Buffer, Error> {
        let copied = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        self.buffer(label, bytes, BufferUsages::STORAGE | copied)
    }

    /// A buffer that the host reads.
    pub(crate) fn readback(&self, label: &'static str, bytes: u64) -> Result<Buffer, Error> {
        self.buffer(
            label,
            bytes,
            BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        )
    }

    /// A buffer of constants of a shader.
    pub(crate) fn uniform(
        &self,
        label: &'static str,
        value: &impl bytemuck::NoUninit,
    ) -> Result<Buffer, Error> {
        let bytes = bytemuck::bytes_of(value);
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let buffer = self.buffer(label, bytes.len() as u64, usage)?;
        self.queue.write_buffer(&buffer, 0, bytes);
        Ok(buffer)
    }

    /// A buffer with contents that shaders read.
    pub(crate) fn constant<T: bytemuck::NoUninit>(
        &self,
        label: &'static str,
        values: &[T],
    ) -> Result<Buffer, Error> {
        let bytes = bytemuck::cast_slice(values);
        let buffer = self.input(label, bytes.len() as u64)?;
        self.upload(&buffer, 0, bytes)?;
        Ok(buffer)
    }

    /// Fills part of a buffer; the driver never holds more than a few pieces of it.
    pub(crate) fn upload(&self, buffer: &Buffer, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut at = offset;
        for piece in bytes.chunks(PIECE) {
            self.queue.write_buffer(buffer, at, piece);
            at += piece.len() as u64;
            if bytes.len() > PIECE {
                let index = self.queue.submit([]);
                self.wait(index)?;
            }
        }
        self.check()
    }

    /// The buffers of a pipeline in the order of their bindings.
    pub(crate) fn bind(&self, pipeline: &ComputePipeline, buffers: &[(u32, &Buffer)]) -> BindGroup {
        let entries: Vec<_> = buffers
            .iter()
            .map(|(binding, buffer)| BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        self.device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }

    pub(crate) fn encoder(&self) -> CommandEncoder {
        self.device
            .create_command_encoder(&CommandEncoderDescriptor::default())
    }

    pub(crate) fn submit(&self, encoder: CommandEncoder) -> SubmissionIndex {
        self.queue.submit([encoder.finish()])
    }

    /// Waits for a submission and those before it.
    pub(crate) fn wait(&self, index: SubmissionIndex) -> Result<(), Error> {
        let waited = self.device.poll(PollType::Wait {
            submission_index: Some(index),
            timeout: None,
        });
        self.check()?;
        waited.map(|_| ()).map_err(|error| Error::Device {
            reason: error.to_string(),
        })
    }

    /// The first bytes of a readback buffer, after a submission that fills it.
    pub(crate) fn read<T>(
        &self,
        buffer: &Buffer,
        bytes: u64,
        index: SubmissionIndex,
        visit: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Error> {
        let (sender, receiver) = mpsc::channel();
        buffer.map_async(MapMode::Read, ..bytes, move |mapped| {
            let _ = sender.send(mapped);
        });
        self.wait(index)?;
        let failed = |reason: String| Error::Device { reason };
        let mapped = receiver
            .recv()
            .map_err(|_| failed("a buffer was not mapped".to_owned()))?;
        self.check()?;
        mapped.map_err(|error| failed(error.to_string()))?;
        let view = buffer
            .get_mapped_range(..bytes)
            .map_err(|error| failed(error.to_string()))?;
        let result = visit(&view);
        drop(view);
        buffer.unmap();
        Ok(result)
    }
}

/// Runs a shader.
pub(crate) fn dispatch(
    encoder: &mut CommandEncoder,
    pipeline: &ComputePipeline,
    group: &BindGroup,
    x: u32,
    y: u32,
) {
    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, group, &[]);
    pass.dispatch_workgroups(x, y, 1);
}

fn fault(error: wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { source } => Error::OutOfMemory {
            reason: source.to_string(),
        },
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            Error::Device {
                reason: description,
            }
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

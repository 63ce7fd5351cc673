//! Which adapter is taken.

use crate::Error;
use wgpu::{Adapter, Backends, DeviceType, Instance, InstanceDescriptor, RequestAdapterOptions};

/// What kind of adapter is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// The fastest GPU.
    Auto,
    /// The fastest GPU that Vulkan shows.
    Vulkan,
    /// The fastest GPU that Metal shows.
    Metal,
    /// The fastest GPU that Direct3D 12 shows.
    Dx12,
    /// A GPU with memory of its own before others.
    HighPerformance,
    /// A GPU that shares the memory of the CPU before others.
    LowPower,
    /// A device that runs on the CPU, for tests.
    Software,
}

impl Preference {
    /// Every preference.
    pub const ALL: [Self; 7] = [
        Self::Auto,
        Self::Vulkan,
        Self::Metal,
        Self::Dx12,
        Self::HighPerformance,
        Self::LowPower,
        Self::Software,
    ];

    /// Name of the preference.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
            Self::HighPerformance => "high-performance",
            Self::LowPower => "low-power",
            Self::Software => "software",
        }
    }

    /// The preference with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|preference| preference.name() == name)
    }

    fn backends(self) -> Backends {
        match self {
            Self::Vulkan => Backends::VULKAN,
            Self::Metal => Backends::METAL,
            Self::Dx12 => Backends::DX12,
            _ => Backends::PRIMARY,
        }
    }

    /// The place of a kind of device among those that this preference takes, the first one best.
    fn rank(self, kind: DeviceType) -> Option<usize> {
        use DeviceType::{Cpu, DiscreteGpu, IntegratedGpu, Other, VirtualGpu};
        let order: &[DeviceType] = match self {
            Self::Software => &[Cpu],
            Self::LowPower => &[IntegratedGpu, DiscreteGpu, VirtualGpu, Other],
            _ => &[DiscreteGpu, IntegratedGpu, VirtualGpu, Other],
        };
        order.iter().position(|each| *each == kind)
    }

    /// The best adapter of this machine.
    ///
    /// # Errors
    /// [`Error::NoAdapter`].
    pub(crate) fn adapter(self) -> Result<Adapter, Error> {
        let failed = |reason: String| Error::NoAdapter {
            preference: self.name(),
            reason,
        };
        let backends = self.backends() & Instance::enabled_backend_features();
        if backends.is_empty() {
            return Err(failed(
                "this build of the addon does not know it on this system".to_owned(),
            ));
        }
        let instance = Instance::new(InstanceDescriptor {
            backends,
            ..InstanceDescriptor::new_without_display_handle()
        });
        let adapters = pollster::block_on(instance.enumerate_adapters(backends));
        let seen: Vec<String> = adapters
            .iter()
            .map(|adapter| {
                let info = adapter.get_info();
                format!("{} ({})", info.name, device_type(info.device_type))
            })
            .collect();
        let ranked = adapters
            .into_iter()
            .filter_map(|adapter| Some((self.rank(adapter.get_info().device_type)?, adapter)));
        match ranked.min_by_key(|(rank, _)| *rank) {
            Some((_, adapter)) => Ok(adapter),
            None if seen.is_empty() => {
                let asked = instance.request_adapter(&RequestAdapterOptions::default());
                let words = pollster::block_on(asked)
                    .err()
                    .map(|error| error.to_string());
                Err(failed(
                    words.unwrap_or_else(|| "no driver shows an adapter".to_owned()),
                ))
            }
            None => Err(failed(format!("there is only {}", seen.join(", ")))),
        }
    }
}

/// Name of a kind of device.
pub(crate) fn device_type(kind: DeviceType) -> &'static str {
    match kind {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_software_takes_a_software_adapter() {
        for preference in Preference::ALL {
            assert_eq!(
                preference.rank(DeviceType::Cpu).is_some(),
                preference == Preference::Software
            );
            assert_eq!(Preference::from_name(preference.name()), Some(preference));
        }
        assert_eq!(Preference::from_name("gl"), None);
    }

    #[test]
    fn power_decides_between_two_gpus() {
        let rank = |preference: Preference, kind| preference.rank(kind).unwrap();
        let (own, shared) = (DeviceType::DiscreteGpu, DeviceType::IntegratedGpu);
        assert!(rank(Preference::Auto, own) < rank(Preference::Auto, shared));
        assert!(rank(Preference::LowPower, own) > rank(Preference::LowPower, shared));
    }
}

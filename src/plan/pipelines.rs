//! Pipelines of a GPU, made once for each text and set of constants.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::Either;
use rayon::prelude::*;

use crate::device::Gpu;
use crate::error::{Error, Result};
use crate::kernel::{Access, Call, ENTRY, Kernel, Variant};

/// A module's text and the values of its `override` constants.
type Key = (String, Vec<(&'static str, u32)>);

struct Layouts {
    group: wgpu::BindGroupLayout,
    pipeline: wgpu::PipelineLayout,
}

/// The pipelines made so far, and the layouts of their kernels.
#[derive(Default)]
pub(super) struct Pipelines {
    layouts: HashMap<&'static str, Layouts>,
    made: HashMap<Key, wgpu::ComputePipeline>,
}

impl Pipelines {
    /// The layout of a kernel's bindings, as its record has them.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses.
    pub(super) fn group_layout(
        &mut self,
        gpu: &Gpu,
        kernel: &'static Kernel,
    ) -> Result<wgpu::BindGroupLayout> {
        Ok(self.layouts(gpu, kernel)?.group.clone())
    }

    fn layouts(&mut self, gpu: &Gpu, kernel: &'static Kernel) -> Result<&Layouts> {
        Ok(match self.layouts.entry(kernel.name) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let what = format!("the bindings of kernel {}", kernel.name);
                free.insert(gpu.make(&what, |device| layouts(device, kernel))?)
            }
        })
    }

    /// The pipeline of a variant.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver does not take the shader.
    pub(super) fn get(
        &mut self,
        gpu: &Gpu,
        kernel: &'static Kernel,
        call: &Call,
        variant: &Variant,
    ) -> Result<wgpu::ComputePipeline> {
        let key = key(call, variant);
        if let Some(pipeline) = self.made.get(&key) {
            return Ok(pipeline.clone());
        }
        let layout = &self.layouts(gpu, kernel)?.pipeline;
        let pipeline = make(gpu, layout, &label(kernel, variant), &key)?;
        self.made.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// The places of calls whose pipelines are not made, of each pipeline the first.
    pub(super) fn missing<'a>(
        &self,
        wanted: impl Iterator<Item = (&'static Kernel, &'a Call, &'a Variant)>,
    ) -> Vec<usize> {
        let mut seen = HashSet::new();
        let mut is_missing = |(_, call, variant): (_, &Call, &Variant)| {
            let key = key(call, variant);
            !self.made.contains_key(&key) && seen.insert(key)
        };
        let places = wanted.enumerate();
        let missing = places.filter_map(|(place, one)| is_missing(one).then_some(place));
        missing.collect()
    }

    /// Makes the pipelines of several calls on all threads, so that [`Pipelines::get`] finds them.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver does not take a shader, with the place of the call that it is of where that shader
    /// is to blame.
    pub(super) fn make_all<'a>(
        &mut self,
        gpu: &Gpu,
        wanted: impl Iterator<Item = (&'static Kernel, &'a Call, &'a Variant)>,
    ) -> Result<(), (Option<usize>, Error)> {
        let mut missing = HashMap::new();
        for (place, (kernel, call, variant)) in wanted.enumerate() {
            let key = key(call, variant);
            if !self.made.contains_key(&key) {
                let layouts = self.layouts(gpu, kernel).map_err(|error| (None, error))?;
                let layout = layouts.pipeline.clone();
                missing.insert(key, (layout, label(kernel, variant), place));
            }
        }
        let is_blamed = AtomicBool::new(false);
        let made = missing
            .into_par_iter()
            .map(|(key, (layout, label, place))| {
                let made = make(gpu, &layout, &label, &key);
                let pipeline = made.map_err(|error| {
                    // Those behind the first fail with the device.
                    let blamed = gpu.is_to_blame() && !is_blamed.swap(true, Ordering::Relaxed);
                    (blamed.then_some(place), error)
                })?;
                Ok((key, pipeline))
            });
        let (made, failed): (Vec<_>, Vec<(Option<usize>, Error)>) =
            made.partition_map(|one| match one {
                Ok(made) => Either::Left(made),
                Err(failed) => Either::Right(failed),
            });
        self.made.extend(made);
        let first = failed.into_iter().max_by_key(|(place, _)| place.is_some());
        first.map_or(Ok(()), Err)
    }
}

fn label(kernel: &Kernel, variant: &Variant) -> String {
    format!("{} {}", kernel.name, variant.name)
}

fn key(call: &Call, variant: &Variant) -> Key {
    let source = variant.source();
    let constants = variant.constants_of(call, &source);
    (source, constants)
}

fn make(
    gpu: &Gpu,
    layout: &wgpu::PipelineLayout,
    label: &str,
    (source, constants): &Key,
) -> Result<wgpu::ComputePipeline> {
    let values: Vec<(&str, f64)> = constants.iter().map(|&(n, v)| (n, f64::from(v))).collect();
    gpu.make(&format!("shader {label}"), |device| {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
        });
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(layout),
            module: &module,
            entry_point: Some(ENTRY),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &values,
                // Every kernel writes workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    })
}

fn layouts(device: &wgpu::Device, kernel: &'static Kernel) -> Layouts {
    let entry = |binding: u32, ty: wgpu::BufferBindingType| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
    for (i, binding) in kernel.bindings.iter().enumerate() {
        let read_only = binding.access == Access::Read;
        entries.push(entry(
            i as u32 + 1,
            wgpu::BufferBindingType::Storage { read_only },
        ));
    }
    let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(kernel.name),
        entries: &entries,
    });
    let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(kernel.name),
        bind_group_layouts: &[Some(&group)],
        immediate_size: 0,
    });
    Layouts { group, pipeline }
}

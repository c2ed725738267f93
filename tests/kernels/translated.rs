//! What naga makes of a shader for each backend, and what Khronos' validators say of it where they are installed. On Debian
//! and Ubuntu: apt-get install spirv-tools glslang-tools.

use std::io::Write;
use std::process::{Command, Stdio};

use elbo::kernel::ENTRY;
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::ModuleInfo;
use naga::{Module, ShaderStage};
use rayon::prelude::*;

use crate::skipped::skipped;

/// A shader as other compilers read it.
pub(crate) struct Translated {
    /// SPIR-V, as Vulkan takes it, of a shader without matrices of subgroups: many a validator is older than these.
    spirv: Option<Vec<u8>>,
    /// GLSL, as OpenGL ES takes it, of a shader that needs no feature.
    glsl: Option<String>,
}

impl Translated {
    /// Of a module without overrides, as every backend takes it.
    ///
    /// # Errors
    /// What a backend cannot express.
    pub(crate) fn make(
        module: &Module,
        info: &ModuleInfo,
        source: &str,
        needs_features: bool,
    ) -> Result<Self, String> {
        let has_matrices = source.contains("enable wgpu_cooperative_matrix;");
        let spirv = to_spirv(module, info).map_err(|error| format!("SPIR-V: {error}"))?;
        let spirv = (!has_matrices).then_some(spirv);
        to_msl(module, info).map_err(|error| format!("MSL: {error}"))?;
        // HLSL has no such matrices, and no adapter of DX12 offers them.
        if !has_matrices {
            to_hlsl(module, info).map_err(|error| format!("HLSL: {error}"))?;
        }
        let glsl = (!needs_features).then(|| to_glsl(module, info));
        let glsl = glsl.transpose();
        let glsl = glsl.map_err(|error| format!("GLSL: {error}"))?;
        Ok(Self { spirv, glsl })
    }
}

fn to_spirv(module: &Module, info: &ModuleInfo) -> Result<Vec<u8>, spv::Error> {
    let options = spv::Options {
        lang_version: (1, 3),
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: ENTRY.to_owned(),
    };
    let words = spv::write_vec(module, info, &options, Some(&pipeline))?;
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

fn to_msl(module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let options = msl::Options {
        lang_version: (2, 4),
        ..Default::default()
    };
    let pipeline = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, ENTRY.to_owned())),
        ..Default::default()
    };
    let written = msl::write_string(module, info, &options, &pipeline);
    let (_, translated) = written.map_err(|error| error.to_string())?;
    let failed = translated.entry_point_names.into_iter();
    failed
        .filter_map(Result::err)
        .try_for_each(|error| Err(error.to_string()))
}

fn to_hlsl(module: &Module, info: &ModuleInfo) -> Result<(), hlsl::Error> {
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        ..Default::default()
    };
    let pipeline = hlsl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, ENTRY.to_owned())),
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(module, info, None)
        .map(|_| ())
}

fn to_glsl(module: &Module, info: &ModuleInfo) -> Result<String, glsl::Error> {
    let options = glsl::Options {
        version: glsl::Version::new_gles(310),
        ..Default::default()
    };
    let pipeline = glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: ENTRY.to_owned(),
        multiview: None,
    };
    let mut text = String::new();
    let policies = BoundsCheckPolicies::default();
    glsl::Writer::new(&mut text, module, info, &options, &pipeline, policies)?.write()?;
    Ok(text)
}

/// What the validators that are installed have against shaders, each after the name that comes with it.
pub(crate) fn validate(shaders: &[(String, Translated)]) -> Vec<String> {
    let spirv = |shader: &Translated| shader.spirv.clone();
    let glsl = |shader: &Translated| shader.glsl.clone().map(String::into_bytes);
    let mut errors = each(
        shaders,
        &["spirv-val", "--target-env", "vulkan1.1", "-"],
        spirv,
    );
    errors.extend(each(
        shaders,
        &["glslangValidator", "--stdin", "-S", "comp"],
        glsl,
    ));
    errors
}

/// Runs a validator for each shader that has a form for it.
fn each(
    shaders: &[(String, Translated)],
    command: &[&str],
    form: impl Fn(&Translated) -> Option<Vec<u8>> + Sync,
) -> Vec<String> {
    let [program, arguments @ ..] = command else {
        unreachable!("a command has a program");
    };
    if let Err(error) = Command::new(program).arg("--version").output() {
        skipped("validators", format_args!("{program}: {error}"));
        return Vec::new();
    }
    let validate = |(what, shader): &(String, Translated)| {
        let outcome = run(program, arguments, &form(shader)?);
        outcome
            .err()
            .map(|error| format!("{what}: {program}: {error}"))
    };
    shaders.par_iter().filter_map(validate).collect()
}

/// Gives a program some bytes; what it prints where it refuses them.
fn run(program: &str, arguments: &[&str], bytes: &[u8]) -> Result<(), String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().expect("a pipe");
    let written = stdin.write_all(bytes);
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    match written {
        Ok(()) if output.status.success() => Ok(()),
        _ => Err(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

#[test]
fn validators_refuse_what_is_wrong() {
    let wrong = Translated {
        spirv: Some(vec![0; 20]),
        glsl: Some("#version 310 es\nvoid main() { x = 1; }\n".to_owned()),
    };
    let found = validate(&[("wrong".to_owned(), wrong)]);
    for program in ["spirv-val", "glslangValidator"] {
        let is_there = Command::new(program).arg("--version").output().is_ok();
        let is_found = found.iter().any(|error| error.contains(program));
        assert_eq!(is_found, is_there, "{found:?}");
    }
}

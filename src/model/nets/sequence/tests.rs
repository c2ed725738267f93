use super::*;
use crate::graph::{Init, ParameterInfo};
use crate::model::LatentShape;

fn spec(encoder: &str) -> ModelSpec {
    ModelSpec {
        image: crate::shape::ImageShape::new(8, 6, 3),
        encoder: encoder.parse().expect(encoder),
        ..ModelSpec::reference()
    }
}

/// Names and kinds of all layers.
fn layers(encoder: &str) -> Vec<String> {
    let net = build(&spec(encoder)).expect(encoder);
    let nodes = net.graph.nodes().iter();
    nodes
        .map(|node| format!("{} {}", node.label(), node.layer.name))
        .collect()
}

#[test]
fn the_activation_follows_layers_and_norms_but_where_another_stands() {
    assert_eq!(
        layers("conv 8 k3, norm 4, conv 8 k3 /2, tanh, linear 9"),
        [
            "encoder.0 convolution",
            "encoder.1 group_norm",
            "encoder.2 activation",
            "encoder.3 convolution",
            "encoder.4 activation",
            "encoder.6 linear",
            "encoder.7 activation",
            "mu|logvar linear",
            "decoder.0 linear",
            "decoder.1 activation",
            "decoder.2 linear",
            "decoder.3 activation",
            "decoder.5 transposed_convolution",
            "decoder.6 activation",
            "decoder.7 convolution",
        ]
    );
}

#[test]
fn a_residual_block_may_begin_with_a_norm() {
    let all = layers("conv 8 k3 /2, residual(norm 4, conv 6 k3, norm 3, conv 8 k3)");
    assert_eq!(
        all[..8],
        [
            "encoder.0 convolution",
            "encoder.1 activation",
            "encoder.2.0 group_norm",
            "encoder.2.1 activation",
            "encoder.2.2 convolution",
            "encoder.2.3 group_norm",
            "encoder.2.4 activation",
            "encoder.2.5 convolution",
        ]
    );
    assert_eq!(all[8..10], ["encoder.2 add", "mu|logvar linear"]);
    // No activation behind the norm that a block ends in.
    let all = layers("conv 8 k3, residual(conv 8 k3, norm 4)");
    assert_eq!(
        all[2..5],
        [
            "encoder.2.0 convolution",
            "encoder.2.1 group_norm",
            "encoder.2 add"
        ]
    );
}

#[test]
fn a_residual_block_begins_as_the_identity() {
    let net = build(&spec("conv 8 k3, residual(conv 6 k3, conv 8 k3)")).expect("a net");
    let zero = Init::Constant(0.0);
    let at_zero = |parameter: &&ParameterInfo| parameter.init == zero;
    let names = net.graph.parameters().iter().filter(at_zero);
    let names: Vec<&str> = names.map(|parameter| &*parameter.tensors[0]).collect();
    assert_eq!(
        names,
        [
            "encoder.2.2.weight",
            "encoder.2.2.bias",
            "decoder.3.2.weight",
            "decoder.3.2.bias"
        ]
    );
}

#[test]
fn groups_that_do_not_share_the_channels_out_are_refused_with_the_sizes() {
    let refused = |encoder: &str| {
        let mismatch = build(&spec(encoder)).expect_err(encoder);
        format!("{}\n{}", mismatch.reason, mismatch.trail)
    };
    let error = refused("conv 8 k3, norm 3");
    let (first, sizes) = error.split_once('\n').expect("the sizes");
    assert_eq!(
        first,
        "norm 3: 3 groups do not share out the 8 channels of a map of 8×6×8"
    );
    let lines = [
        "  encoder",
        "    image: 8×6×3",
        "    conv 8 k3: 8×6×8",
        "    norm 3: <-- here",
    ];
    assert_eq!(sizes, lines.join("\n"));
    let error = refused("linear 8, norm 2");
    assert!(error.starts_with("norm 2: a norm needs a map"), "{error}");
    // The layer at fault is the innermost one.
    let error = refused("conv 8 k3, residual(norm 2, conv 6 k3, norm 4, conv 8 k3)");
    let trail = "      norm 2: 8×6×8\n      conv 6 k3: 8×6×6\n      norm 4: <-- here";
    assert!(error.ends_with(trail), "{error}");
    let error = refused("conv 8 k3, residual(norm 2, conv 6 k3)");
    assert!(
        error.starts_with("residual(norm 2, conv 6 k3) takes 8×6×8 and gives 8×6×6"),
        "{error}"
    );
    assert!(
        error.ends_with("      conv 6 k3: 8×6×6\n    ): <-- here"),
        "{error}"
    );
}

#[test]
fn codes_that_are_maps_come_from_convolutions_of_single_pixels_and_go_into_one() {
    let of = |encoder: &str, latent| {
        build(&ModelSpec {
            latent,
            ..spec(encoder)
        })
    };
    let net = of("conv 8 k4 /2, conv 4 k3", LatentShape::Map([4, 3, 2])).expect("a net");
    let nodes = net.graph.nodes().iter();
    let names: Vec<String> = nodes
        .map(|node| format!("{} {}", node.label(), node.layer.name))
        .collect();
    assert_eq!(
        names[4..11],
        [
            "mu convolution",
            "mu side by side reshape",
            "logvar convolution",
            "logvar side by side reshape",
            "heads join",
            "decoder.0 convolution",
            "decoder.1 activation",
        ]
    );
    assert_eq!(net.graph.info(net.posterior).dims, [2 * 24]);
    assert_eq!(net.graph.info(net.code).dims, [4, 3, 2]);
    for (encoder, latent, expected) in [
        (
            "conv 8 k4 /2",
            [4, 4, 2],
            "ends in a map of 4×3×8, and `latent = 4x4x2`",
        ),
        ("conv 8 k4 /2, linear 9", [4, 3, 2], "ends in 9 values"),
        ("linear 9", [4, 3, 2], "ends in 9 values"),
    ] {
        let found = of(encoder, LatentShape::Map(latent)).expect_err(expected);
        assert!(found.reason.contains(expected), "{}", found.reason);
        assert!(
            found.trail.to_string().contains("<-- here"),
            "{}",
            found.trail
        );
    }
}

//! The text of programs. That PyTorch computes by it what this program does is a test of the command line.

use super::*;
use crate::data::{Reading, Scaling};
use crate::model::{Activation, Condition, Likelihood, ModelKind, ModelSpec, Weights};
use crate::shape::ImageShape;

fn text(spec: &ModelSpec, reading: &Reading) -> String {
    let model = Model::new(spec).expect("a model");
    let arena = model.parameters().initial(1);
    let weights = Weights::from_arena(model.parameters(), &arena);
    let trained = Trained {
        spec,
        weights: &weights,
        binarize: Binarize::None,
        reading,
    };
    program(&trained).expect("a program")
}

/// The lines from one that begins with `from`, up to one that begins with `to`.
fn lines<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let at = |mark: &str| text.find(mark).expect(mark);
    text[at(from)..at(to)].trim_end()
}

fn odd(encoder: &str, decoder: Option<&str>) -> ModelSpec {
    ModelSpec {
        image: ImageShape::new(7, 6, 3),
        encoder: encoder.parse().expect(encoder),
        decoder: decoder.map(|text| text.parse().expect("layers")),
        latent: 5.into(),
        activation: Activation::Silu,
        ..ModelSpec::reference()
    }
}

#[test]
fn maps_are_sequences_with_residual_blocks() {
    let spec = odd(
        "conv 8 k3 /2, norm 4, residual(norm 2, conv 8 k3), conv 8 k1",
        Some("linear 9, linear 4x3x8, up 6 to 7x6, deconv 3 k3 *1"),
    );
    let found = text(&spec, &Reading::default());
    let expected = r#"class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.GroupNorm(4, 8),
            nn.SiLU(),
            Residual(
                nn.GroupNorm(2, 8),
                nn.SiLU(),
                nn.Conv2d(8, 8, 3, padding=1),
            ),
            nn.Conv2d(8, 8, 1),
            nn.SiLU(),
        )
        self.mu = nn.Linear(96, 5)
        self.logvar = nn.Linear(96, 5)
        self.decoder = nn.Sequential(
            nn.Linear(5, 9),
            nn.SiLU(),
            nn.Linear(9, 96),
            nn.SiLU(),
            nn.Unflatten(1, (8, 4, 3)),
            nn.Sequential(
                nn.Upsample(scale_factor=2),
                nn.Conv2d(8, 6, 3, padding=1),
                nn.ZeroPad2d((0, 0, 0, -1)),
            ),
            nn.SiLU(),
            nn.ConvTranspose2d(6, 3, 3, padding=1),
        )

    def encode(self, images):
        """mu: means of q(z|x); logvar: logarithms of the variances of q(z|x); [batch, 5] each."""
        h = self.encoder(images).flatten(1)
        return self.mu(h), self.logvar(h).clamp(-30, 30)

    def decode(self, z):
        """Means of p(x|z), from 0 to 1."""
        return torch.sigmoid(self.decoder(z))"#;
    assert_eq!(
        lines(&found, "class Residual", "\n    def forward(self, images)"),
        expected
    );
}

#[test]
fn values_of_images_are_flattened_as_the_parameters_have_them() {
    let mut spec = odd("linear 9", None);
    (spec.kind, spec.likelihood) = (ModelKind::Ae, Likelihood::LinearSquaredError);
    let scaling = Scaling {
        shift: (0..126).map(|i| i as f32).collect(),
        scale: vec![2.0],
    };
    let reading = Reading {
        scaling: Some(scaling),
        ..Reading::default()
    };
    let found = text(&spec, &reading);
    let expected = r#"    def encode(self, images):
        """The latent code, [batch, 5]."""
        h = F.silu(self.fc1(images.movedim(1, -1).flatten(1)))
        return self.fc2(h)

    def decode(self, z):
        """Means of p(x|z), of the values that the encoder takes."""
        h = F.silu(self.fc3(z))
        return self.fc4(h).unflatten(1, (7, 6, 3)).movedim(-1, 1)

    def forward(self, images):
        return self.decode(self.encode(images))

    def scaled(self, stored):
        return (stored.float() - self.offset) / 2.0

    def unscaled(self, values):
        return values * 2.0 + self.offset"#;
    assert_eq!(lines(&found, "    def encode", "\n\ndef load"), expected);
    // The second channel of the first pixels is that of the 43rd value of a tensor.
    let list = &found[found.find("OFFSET = [").expect("a list")..];
    let numbers: Vec<&str> = list.split_whitespace().skip(3).take(44).collect();
    assert_eq!([numbers[0], numbers[1]], ["0.0,", "3.0,"]);
    assert_eq!([numbers[42], numbers[43]], ["1.0,", "4.0,"]);
    // What is not used is not imported.
    assert!(text(&spec, &Reading::default()).contains("functional as F"));
    assert!(!text(&spec, &Reading::default()).contains("import torch\n"));
}

#[test]
fn a_model_that_is_told_a_class_takes_it_as_a_second_argument() {
    let told = |spec: ModelSpec| ModelSpec {
        condition: Some(Condition::new(vec!["cat".to_owned(), "dog".to_owned()])),
        ..spec
    };
    let found = text(&told(odd("linear 9", None)), &Reading::default());
    let expected = r#"    def encode(self, images, classes):
        """mu: means of q(z|x); logvar: logarithms of the variances of q(z|x); [batch, 5] each."""
        classes = F.one_hot(classes, 2).float()
        h = torch.cat([images.movedim(1, -1).flatten(1), classes], 1)
        h = F.silu(self.fc1(h))
        return self.fc21(h), self.fc22(h).clamp(-30, 30)

    def decode(self, z, classes):
        """Means of p(x|z), from 0 to 1."""
        classes = F.one_hot(classes, 2).float()
        h = torch.cat([z, classes], 1)
        h = F.silu(self.fc3(h))
        return torch.sigmoid(self.fc4(h).unflatten(1, (7, 6, 3)).movedim(-1, 1))

    def forward(self, images, classes):
        mu, logvar = self.encode(images, classes)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return self.decode(z, classes), mu, logvar"#;
    assert_eq!(
        lines(&found, "    def encode", "\n\n    def scaled"),
        expected
    );
    assert!(found.contains("\nCLASSES = [\"cat\",\"dog\"]\n"), "{found}");
    // To a map it is joined as a channel.
    let found = text(&told(odd("conv 8 k3 /2", None)), &Reading::default());
    for line in [
        "        self.class_map = nn.Linear(2, 42)",
        "            nn.Conv2d(4, 8, 3, stride=2, padding=1),",
        "        h = torch.cat([images, self.class_map(classes).unflatten(1, (1, 7, 6))], 1)",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
}

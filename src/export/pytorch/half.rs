//! Half of a model as modules and expressions of Python.
//!
//! Names say how modules lie in each other: what `encoder.0` and `encoder.1` name is a sequence `encoder`, and a place in it
//! that nobody has is where PyTorch flattens a map or makes one. What has no place is a module of its own where it has
//! parameters, and an expression where it has none.

use crate::error::{Error, Result};
use crate::export::layers::Part;
use crate::graph::{Described, Torch, Value};
use crate::model::Model;
use crate::model::latents::Head;

/// A module.
#[derive(Debug)]
pub(super) enum Module {
    /// What makes it.
    Line(String),
    /// A class around others.
    Around(&'static str, Vec<Module>),
}

/// Half of a model.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Modules by their names, in order.
    pub(super) modules: Vec<(String, Module)>,
    /// Definitions of the classes among them that PyTorch lacks.
    pub(super) definitions: Vec<&'static str>,
    /// What is computed first, a line each.
    pub(super) lines: Vec<String>,
    /// What is returned.
    pub(super) results: Vec<String>,
}

/// The argument that has the numbers of classes, and their values then.
pub(super) const CLASSES: &str = "classes";

/// How the numbers of a value lie in a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `[batch, values]`
    Values,
    /// `[batch, channels, height, width]`
    Map,
}

impl Form {
    /// That of a value that comes from elsewhere, or that is asked for in its own sizes.
    fn of(dims: &[usize]) -> Self {
        match dims.len() {
            3 => Self::Map,
            _ => Self::Values,
        }
    }
}

/// A sequence that is not complete yet.
struct Open {
    name: String,
    modules: Vec<Module>,
    /// What it takes.
    takes: (Value, Form),
}

/// A half in the making.
struct Writer {
    half: Half,
    open: Vec<Open>,
    /// What the last layer gives.
    value: Value,
    dims: Vec<usize>,
    form: Form,
    /// What computes it, but for the sequences that are open.
    expression: String,
    /// Whether a function is applied last: what follows goes into a line of its own.
    is_function: bool,
    /// What is to be joined to it, and what computes that.
    beside: Option<(Value, String)>,
    /// Heads that it may end in.
    heads: usize,
}

/// Half of a model.
///
/// # Errors
/// As [`Part::walk`]; [`Error::Internal`] where layers do not go together as their names say.
pub(super) fn half(model: &Model, part: Part) -> Result<Half> {
    let net = model.net();
    let value = match part {
        Part::Encoder => net.image,
        Part::Decoder => net.code,
    };
    let class = part.class(model);
    let dims = model.graph().info(value).dims.clone();
    let mut writer = Writer {
        half: Half::default(),
        open: Vec::new(),
        value,
        form: Form::of(&dims),
        dims,
        expression: part.input().to_owned(),
        is_function: false,
        beside: class.map(|class| (class, CLASSES.to_owned())),
        heads: model.spec().kind.latent().heads.len(),
    };
    if let Some(class) = class {
        let count = model.graph().info(class).len();
        let line = format!("{CLASSES} = F.one_hot({CLASSES}, {count}).float()");
        writer.half.lines.push(line);
    }
    // What the writer refuses; the walk itself only knows refusals of its own.
    let mut written = Ok(());
    part.walk(model, |of, head| {
        if written.is_ok() {
            written = writer.layer(of, head);
        }
    })?;
    written?;
    writer.end()
}

impl Writer {
    fn layer(&mut self, of: &Described<'_>, head: Option<&Head>) -> Result<()> {
        let torch = (of.node.layer.torch)(of);
        if let Torch::Around { class, definition } = torch {
            return self.around(of, class, definition);
        }
        if let Torch::Joined = torch {
            return self.joined(of);
        }
        if self
            .beside
            .as_ref()
            .is_some_and(|(value, _)| of.node.inputs == [*value])
        {
            return self.of_class(of, torch);
        }
        if of.node.inputs != [self.value] {
            return Err(failed(of.name, "its input is not what is before it"));
        }
        match of.name.rsplit_once('.') {
            Some((within, place)) => {
                self.enter(within)?;
                self.fill(self.place(place)?)?;
                let form = match torch {
                    Torch::OfValues(line) => self.push(line, Some(Form::Values)),
                    Torch::OfMaps(line) => self.push(line, Some(Form::Map)),
                    Torch::OfEach { module, .. } => self.push(module, None),
                    Torch::Own { .. } | Torch::Method(_) | Torch::Joined | Torch::Around { .. } => {
                        None
                    }
                };
                let form = form.ok_or_else(|| failed(of.name, "it has no such place"))?;
                self.gives(of, form);
            }
            None => {
                self.leave()?;
                let form = self.apply(of, torch, head)?;
                if head.is_none() {
                    self.gives(of, form);
                }
            }
        }
        Ok(())
    }

    /// A layer without a place. Says how its result lies.
    fn apply(&mut self, of: &Described<'_>, torch: Torch, head: Option<&Head>) -> Result<Form> {
        let (line, form) = match torch {
            Torch::Own { module, definition } => {
                self.define(definition);
                (module, self.form)
            }
            Torch::OfValues(line) => (line, Form::Values),
            Torch::OfMaps(line) => (line, Form::Map),
            Torch::OfEach { function, .. } => {
                self.expression = function.replace("{}", &self.expression);
                self.is_function = true;
                return Ok(self.form);
            }
            Torch::Method(text) => {
                self.turn_to(Form::of(&self.dims))?;
                self.expression += &text;
                return Ok(Form::of(of.output_dims));
            }
            Torch::Joined | Torch::Around { .. } => {
                return Err(failed(of.name, "it is around nothing"));
            }
        };
        self.turn_to(form)?;
        // What several heads take is computed once.
        let is_shared = head.is_some() && self.heads > 1 && self.expression.contains('(');
        if self.is_function || is_shared {
            self.new_line();
        }
        let module = (of.name.to_owned(), Module::Line(line));
        self.half.modules.push(module);
        let called = format!("self.{}({})", of.name, self.expression);
        match head {
            None => self.expression = called,
            Some(Head { bound: None, .. }) => self.half.results.push(called),
            Some(Head {
                bound: Some(bound), ..
            }) => {
                let bounded = format!("{called}.clamp(-{bound}, {bound})");
                self.half.results.push(bounded);
            }
        }
        Ok(form)
    }

    /// A layer of what is to be joined: a map of it.
    fn of_class(&mut self, of: &Described<'_>, torch: Torch) -> Result<()> {
        let ((Torch::OfValues(line), [height, width, channels]), Some((_, classes))) =
            ((torch, of.output_dims), &self.beside)
        else {
            return Err(failed(of.name, "it makes no map of a class"));
        };
        let map = format!(
            "self.{}({classes}).unflatten(1, ({channels}, {height}, {width}))",
            of.name
        );
        let module = (of.name.to_owned(), Module::Line(line));
        self.half.modules.push(module);
        self.beside = Some((of.node.output, map));
        Ok(())
    }

    /// What is there with what is beside it.
    fn joined(&mut self, of: &Described<'_>) -> Result<()> {
        let beside = self.beside.take();
        let beside = beside.filter(|(value, _)| of.node.inputs == [self.value, *value]);
        let (_, beside) = beside.ok_or_else(|| failed(of.name, "it joins what is not there"))?;
        self.leave()?;
        let form = Form::of(of.input_dims);
        self.turn_to(form)?;
        self.expression = format!("torch.cat([{}, {beside}], 1)", self.expression);
        self.is_function = true;
        self.gives(of, form);
        Ok(())
    }

    /// A class around the layers before it.
    fn around(
        &mut self,
        of: &Described<'_>,
        class: &'static str,
        definition: &'static str,
    ) -> Result<()> {
        let open = self.open.pop().filter(|open| open.name == of.name);
        let open = open.ok_or_else(|| failed(of.name, "it is around nothing"))?;
        let (takes, form) = open.takes;
        if of.node.inputs != [self.value, takes] {
            return Err(failed(of.name, "it is not around what is before it"));
        }
        let mut modules = open.modules;
        while self.form != form {
            modules.push(Module::Line(self.turned()?.0));
        }
        self.define(definition);
        self.close(open.name, Module::Around(class, modules));
        self.gives(of, form);
        Ok(())
    }

    fn define(&mut self, definition: &'static str) {
        if !self.half.definitions.contains(&definition) {
            self.half.definitions.push(definition);
        }
    }

    /// A module that is complete goes into the sequence that it is of, or is one of the model's.
    fn close(&mut self, name: String, module: Module) {
        if let Some(outer) = self.open.last_mut() {
            return outer.modules.push(module);
        }
        if self.is_function {
            self.new_line();
        }
        self.expression = format!("self.{name}({})", self.expression);
        self.half.modules.push((name, module));
    }

    /// Opens the sequence of a name, and those that it is in.
    fn enter(&mut self, name: &str) -> Result<()> {
        loop {
            let rest = match self.open.last() {
                Some(open) if open.name == name => return Ok(()),
                Some(open) => {
                    let inner = name.strip_prefix(&*open.name);
                    inner.and_then(|inner| inner.strip_prefix('.'))
                }
                None => Some(name),
            };
            let Some(rest) = rest else {
                self.leave()?;
                continue;
            };
            let first = rest.split('.').next().unwrap_or(rest);
            if !self.open.is_empty() {
                self.fill(self.place(first)?)?;
            }
            self.open.push(Open {
                name: name[..name.len() - rest.len() + first.len()].to_owned(),
                modules: Vec::new(),
                takes: (self.value, self.form),
            });
        }
    }

    /// Completes the sequence that is open, if any.
    fn leave(&mut self) -> Result<()> {
        let Some(Open { name, modules, .. }) = self.open.pop() else {
            return Ok(());
        };
        if !self.open.is_empty() {
            return Err(failed(&name, "nothing is around its layers"));
        }
        self.close(name, Module::Around("nn.Sequential", modules));
        Ok(())
    }

    fn place(&self, text: &str) -> Result<usize> {
        let place = text.parse();
        place.map_err(|_| failed(text, "it is no place in a sequence"))
    }

    /// Turns what there is as often as there are places before this one.
    fn fill(&mut self, place: usize) -> Result<()> {
        while self
            .open
            .last()
            .is_some_and(|open| open.modules.len() < place)
        {
            let (module, _) = self.turned()?;
            self.push(module, None);
        }
        match self.open.last() {
            Some(open) if open.modules.len() == place => Ok(()),
            _ => Err(failed(&place.to_string(), "another layer has this place")),
        }
    }

    /// Adds a module of one form to the open sequence, and says how its result lies; `None` where it takes another form.
    fn push(&mut self, line: String, form: Option<Form>) -> Option<Form> {
        let open = self.open.last_mut()?;
        open.modules.push(Module::Line(line));
        form.is_none_or(|form| form == self.form)
            .then_some(self.form)
    }

    fn gives(&mut self, of: &Described<'_>, form: Form) {
        self.value = of.node.output;
        self.dims = of.output_dims.to_vec();
        self.form = form;
    }

    /// The other form of what there is: the module that makes it, and the method.
    fn turned(&mut self) -> Result<(String, String)> {
        match (self.form, &*self.dims) {
            (Form::Map, _) => {
                self.form = Form::Values;
                Ok(("nn.Flatten()".into(), ".flatten(1)".into()))
            }
            (Form::Values, [height, width, channels]) => {
                self.form = Form::Map;
                let arguments = format!("(1, ({channels}, {height}, {width}))");
                let [module, method] = ["nn.Unflatten", ".unflatten"];
                Ok((
                    format!("{module}{arguments}"),
                    format!("{method}{arguments}"),
                ))
            }
            (Form::Values, dims) => Err(failed(&format!("{dims:?}"), "it is no map")),
        }
    }

    /// The same in the expression.
    fn turn_to(&mut self, form: Form) -> Result<()> {
        if self.form != form {
            let (_, method) = self.turned()?;
            self.expression += &method;
        }
        Ok(())
    }

    fn new_line(&mut self) {
        self.half.lines.push(format!("h = {}", self.expression));
        self.expression = "h".to_owned();
        self.is_function = false;
    }

    fn end(mut self) -> Result<Half> {
        self.leave()?;
        if self.half.results.is_empty() {
            self.turn_to(Form::of(&self.dims))?;
            self.half.results.push(self.expression);
        }
        Ok(self.half)
    }
}

fn failed(name: &str, reason: &str) -> Error {
    Error::internal(format!("{name} cannot be written for PyTorch: {reason}"))
}

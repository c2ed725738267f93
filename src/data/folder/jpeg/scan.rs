//! One scan of a JPEG: its coded data, block by block.

use super::{Component, DAMAGED, DATA_END_EARLY, Fault, Frame};

/// Bits that a look-up of a symbol takes at once; longer codes are found one bit at a time.
const AT_ONCE: u32 = 9;

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Table {
    /// For each value of the next [`AT_ONCE`] bits: length of the code (0: longer) and its symbol.
    quick: Vec<(u8, u8)>,
    /// For each length: one past the greatest code, and what to add to a code for the place of its symbol.
    ends: [(i32, i32); 17],
    symbols: Vec<u8>,
}

/// The tables that are in force.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) dc: [Option<Table>; 4],
    pub(super) ac: [Option<Table>; 4],
    /// MCUs between two restart markers; 0: none.
    pub(super) restart: usize,
}

impl Table {
    pub(super) fn new(counts: &[u8], symbols: &[u8]) -> Self {
        let mut ends = [(0, 0); 17];
        let mut quick = vec![(0, 0); 1 << AT_ONCE];
        let (mut code, mut place) = (0_i32, 0_i32);
        for (length, count) in (1_u32..).zip(counts) {
            let offset = place - code;
            for _ in 0..*count {
                if length <= AT_ONCE {
                    let first = (code as usize) << (AT_ONCE - length);
                    let symbol = symbols.get(place as usize).copied().unwrap_or(0);
                    let values = quick.iter_mut().skip(first).take(1 << (AT_ONCE - length));
                    values.for_each(|entry| *entry = (length as u8, symbol));
                }
                code += 1;
                place += 1;
            }
            ends[length as usize] = (code, offset);
            code <<= 1;
        }
        let symbols = symbols.to_vec();
        Self {
            quick,
            ends,
            symbols,
        }
    }
}

/// The bits of coded data, with stuffed bytes taken out; ends at a restart marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the first one highest.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            held: 0,
            count: 0,
        }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(byte) = self.bytes.get(self.at) else {
                return;
            };
            if *byte == 0xFF {
                // Nothing but a stuffed zero or a restart marker follows, possibly after more of 0xFF.
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.held |= u64::from(*byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Takes bits away that have been looked at.
    fn skip(&mut self, count: u32) -> Result<(), Fault> {
        if count > self.count {
            self.fill();
            if count > self.count {
                return Err(DATA_END_EARLY);
            }
        }
        self.held <<= count;
        self.count -= count;
        Ok(())
    }

    /// Up to 16 bits as a number.
    fn take(&mut self, count: u32) -> Result<u64, Fault> {
        if count == 0 {
            return Ok(0);
        }
        if self.count < count {
            self.fill();
        }
        let value = self.held >> (64 - count);
        self.skip(count)?;
        Ok(value)
    }

    fn symbol(&mut self, table: &Table) -> Result<u8, Fault> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.quick[(self.held >> (64 - AT_ONCE)) as usize];
        if length > 0 {
            self.skip(u32::from(length))?;
            return Ok(symbol);
        }
        for length in AT_ONCE + 1..=16 {
            let code = (self.held >> (64 - length)) as i32;
            let (end, offset) = table.ends[length as usize];
            if code < end {
                self.skip(length)?;
                let symbol = table.symbols.get((code + offset) as usize);
                return symbol.copied().ok_or(DAMAGED);
            }
        }
        // Where the data end the bits behind them read as zeros, which are a code of every table, or ones.
        Err(if self.count < 16 {
            DATA_END_EARLY
        } else {
            DAMAGED
        })
    }

    /// Goes on after the next restart marker.
    fn restart(&mut self) -> Result<(), Fault> {
        self.fill();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let marker = |pair: &[u8]| pair[0] == 0xFF && (0xD0..=0xD7).contains(&pair[1]);
        let place = rest.windows(2).position(marker).ok_or(DATA_END_EARLY)?;
        *self = Self {
            at: self.at + place + 2,
            ..Self::new(self.bytes)
        };
        Ok(())
    }
}

/// What a scan's header says.
pub(super) struct Scan<'a> {
    /// Component, table of means, table of the other coefficients.
    parts: Vec<(usize, Option<&'a Table>, Option<&'a Table>)>,
    /// First and last coefficient.
    first: u32,
    last: u32,
    /// Whether it refines what an earlier scan brought.
    refines: bool,
    restart: usize,
    /// Whether its blocks can be walked through, as all that it takes is known.
    known: bool,
}

impl<'a> Scan<'a> {
    /// Reads a scan's header.
    pub(super) fn read(header: &[u8], tables: &'a Tables, frame: &Frame) -> Result<Self, Fault> {
        let count = header.first().map_or(0, |count| usize::from(*count));
        let rest = header.get(1 + 2 * count..1 + 2 * count + 3);
        let (Some([first, last, bits]), 1..=4) = (rest, count) else {
            return Err(DAMAGED);
        };
        let mut parts = Vec::new();
        for chunk in header[1..].chunks_exact(2).take(count) {
            let found = frame
                .components
                .iter()
                .position(|component| component.id == chunk[0]);
            let dc = tables
                .dc
                .get(usize::from(chunk[1] >> 4))
                .and_then(Option::as_ref);
            let ac = tables
                .ac
                .get(usize::from(chunk[1] & 15))
                .and_then(Option::as_ref);
            parts.push((found.ok_or(DAMAGED)?, dc, ac));
        }
        let (first, last) = match frame.progressive {
            true => (u32::from(*first), u32::from(*last)),
            false => (0, 63),
        };
        let mut scan = Self {
            parts,
            first,
            last,
            refines: frame.progressive && bits >> 4 != 0,
            restart: tables.restart,
            known: false,
        };
        if scan.first > scan.last
            || scan.last > 63
            || frame.progressive && scan.first == 0 && scan.last > 0
        {
            return Err(DAMAGED);
        }
        let needs_dc = scan.first == 0 && !scan.refines;
        let needs_ac = scan.last > 0;
        let known = |(_, dc, ac): &(usize, Option<&Table>, Option<&Table>)| {
            (dc.is_some() || !needs_dc) && (ac.is_some() || !needs_ac)
        };
        // A height of 0 stands for one that follows the first scan.
        scan.known = !frame.left && frame.height > 0 && scan.parts.iter().all(known);
        Ok(scan)
    }

    /// Checks that all blocks of the scan are there. What is not known is left to the decoder, and so are all scans
    /// after it, which may refine what it brought.
    pub(super) fn check(&self, bytes: &[u8], frame: &mut Frame) -> Result<(), Fault> {
        match self.known {
            true => self.walk(bytes, frame)?,
            false => frame.left = true,
        }
        for (index, _, _) in &self.parts {
            let component: &mut Component = &mut frame.components[*index];
            component.seen |= self.first == 0;
        }
        Ok(())
    }

    /// Walks through all blocks of the scan.
    fn walk(&self, bytes: &[u8], frame: &mut Frame) -> Result<(), Fault> {
        let alone = self.parts.len() == 1;
        let (across, down) = match self.parts[..] {
            [(index, _, _)] => frame.blocks(&frame.components[index]),
            _ => frame.mcus(),
        };
        let mut bits = Bits::new(bytes);
        // Blocks to come that hold nothing more.
        let mut empty = 0_u64;
        for mcu in 0..across * down {
            if self.restart > 0 && mcu > 0 && mcu % self.restart == 0 {
                bits.restart()?;
                empty = 0;
            }
            let (x, y) = (mcu % across, mcu / across);
            for (index, dc, ac) in &self.parts {
                let component = &mut frame.components[*index];
                let (wide, high) = if alone {
                    (1, 1)
                } else {
                    (component.across, component.down)
                };
                for block in 0..wide * high {
                    let at = (y * high + block / wide) * component.stride + x * wide + block % wide;
                    if frame.progressive {
                        let nonzero = component.nonzero.get_mut(at).ok_or(DAMAGED)?;
                        self.progressive_block(&mut bits, *dc, *ac, nonzero, &mut empty)?;
                    } else {
                        baseline_block(&mut bits, *dc, *ac)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn progressive_block(
        &self,
        bits: &mut Bits<'_>,
        dc: Option<&Table>,
        ac: Option<&Table>,
        nonzero: &mut u64,
        empty: &mut u64,
    ) -> Result<(), Fault> {
        match (self.first, self.refines) {
            (0, true) => bits.skip(1),
            (0, false) => {
                let size = bits.symbol(dc.ok_or(DAMAGED)?)?;
                bits.skip(u32::from(size.min(16)))
            }
            (_, false) => self.first_pass(bits, ac.ok_or(DAMAGED)?, nonzero, empty),
            (_, true) => self.refinement(bits, ac.ok_or(DAMAGED)?, nonzero, empty),
        }
    }

    /// The first bits of some coefficients (G.1.2.2).
    fn first_pass(
        &self,
        bits: &mut Bits<'_>,
        table: &Table,
        nonzero: &mut u64,
        empty: &mut u64,
    ) -> Result<(), Fault> {
        if *empty > 0 {
            *empty -= 1;
            return Ok(());
        }
        let mut at = self.first;
        while at <= self.last {
            let symbol = bits.symbol(table)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => at += 16,
                (_, 0) => {
                    *empty = (1 << run) - 1 + bits.take(run)?;
                    return Ok(());
                }
                _ => {
                    at += run;
                    if at > 63 {
                        return Err(DAMAGED);
                    }
                    bits.skip(size)?;
                    *nonzero |= 1 << at;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// One more bit of some coefficients (G.1.2.3): a bit for each that is not zero, and those that become so.
    fn refinement(
        &self,
        bits: &mut Bits<'_>,
        table: &Table,
        nonzero: &mut u64,
        empty: &mut u64,
    ) -> Result<(), Fault> {
        let known = *nonzero;
        let mut at = self.first;
        while *empty == 0 && at <= self.last {
            let symbol = bits.symbol(table)?;
            let (mut run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                *empty = (1 << run) + bits.take(run)?;
                break;
            }
            if size > 0 {
                bits.skip(1)?; // the sign of the one that is new
            }
            // Past `run` zeros to the next one, with a bit for each on the way that is not zero.
            while at <= self.last {
                if known >> at & 1 == 1 {
                    bits.skip(1)?;
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                at += 1;
            }
            if size > 0 && at <= self.last {
                *nonzero |= 1 << at;
            }
            at += 1;
        }
        if *empty > 0 {
            *empty -= 1;
            while at <= self.last {
                if known >> at & 1 == 1 {
                    bits.skip(1)?;
                }
                at += 1;
            }
        }
        Ok(())
    }
}

/// A block of a sequential scan (F.1.2).
fn baseline_block(
    bits: &mut Bits<'_>,
    dc: Option<&Table>,
    ac: Option<&Table>,
) -> Result<(), Fault> {
    let (dc, ac) = (dc.ok_or(DAMAGED)?, ac.ok_or(DAMAGED)?);
    let size = bits.symbol(dc)?;
    bits.skip(u32::from(size.min(16)))?;
    let mut at = 1;
    while at < 64 {
        let symbol = bits.symbol(ac)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ => {
                at += run + 1;
                bits.skip(size)?;
            }
        }
    }
    Ok(())
}

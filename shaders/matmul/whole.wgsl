// A product in one part: every tile has all of k, and every row of the result lies where its number says. Others
// (convolution/*.wgsl) are cut into parts, and declare the same.

fn of_part(tile: u32, tiles: u32) -> u32 { return tile; }

fn first_k(number: u32) -> u32 { return 0u; }

fn end_k(number: u32) -> u32 { return params.k; }

fn own_end() -> u32 { return params.k; }

fn place(row: u32) -> u32 { return select(NOWHERE, row, row < params.m); }

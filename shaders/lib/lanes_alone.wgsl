// An invocation for each group of values, which needs neither workgroup memory nor barriers: software drivers turn
// these into loops. lib/lanes_shared.wgsl declares the same for hardware.

override LANES: u32 = 16u;

fn lanes() -> u32 { return 1u; }

fn lane_of(index: u32) -> u32 { return 0u; }

fn group_of(workgroup: vec3<u32>, count: vec3<u32>, index: u32) -> u32 {
    return linear_workgroup(workgroup, count) * LANES + index;
}

fn over_rows(own: Pair, lane: u32, width: u32) -> Pair { return own; }

// A workgroup for each group of values: lanes share out its values, and add up what they have in workgroup memory.
// lib/lanes_alone.wgsl declares the same for drivers that are better off without.

override LANES: u32 = 64u;

var<workgroup> of_lanes: array<Pair, 256>;

fn lanes() -> u32 { return LANES; }

fn lane_of(index: u32) -> u32 { return index; }

fn group_of(workgroup: vec3<u32>, count: vec3<u32>, index: u32) -> u32 {
    return linear_workgroup(workgroup, count);
}

// The sums over rows of `width` lanes, for every lane that of its column; lanes that are no whole row are left out. The
// rows of the second half are added to those of the first until there is one, so that the order is the same every time.
// All lanes have to call it, as it has barriers.
fn over_rows(own: Pair, lane: u32, width: u32) -> Pair {
    of_lanes[lane] = own;
    var count = LANES / width;
    while count > 1u {
        let kept = (count + 1u) / 2u;
        workgroupBarrier();
        if lane + kept * width < count * width { of_lanes[lane] += of_lanes[lane + kept * width]; }
        count = kept;
    }
    workgroupBarrier();
    let sums = of_lanes[lane % width];
    workgroupBarrier();
    return sums;
}

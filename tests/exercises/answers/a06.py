import torch

from . import right, wrong

# Exercise 6.1


@right("arithmetic_decoder")
def decoder_by_ends(number, chain):
    low, high, x = 0.0, 1.0, []
    for d in range(len(chain)):
        p = float(chain[d, x[-1] if x else 0])
        split = low + (high - low) * (1 - p)
        if number < split:
            high = split
            x.append(0)
        else:
            low = split
            x.append(1)
    return torch.tensor(x)


@right("arithmetic_decoder")
def decoder_by_rescaling(number, chain):
    # stretch what is left to the interval from 0 to 1 again
    before, x = 0, []
    for row in chain:
        zero = 1 - row[before].item()
        before = int(number >= zero)
        number = (number - zero) / (1 - zero) if before else number / zero
        x.append(float(before))
    return torch.tensor(x)


@right("arithmetic_decoder")
def decoder_into_a_tensor(number, chain):
    low, width = 0.0, 1.0
    x = torch.zeros(len(chain))
    for d in range(len(chain)):
        j = int(x[d - 1]) if d > 0 else 0
        of_zero = width * (1 - chain[d, j].item())
        if number - low >= of_zero:
            x[d] = 1
            low += of_zero
            width -= of_zero
        else:
            width = of_zero
    return x


@wrong("arithmetic_decoder")
def decoder_lower_part_is_one(number, chain):
    # thought that 1 comes first
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        one = width * row[before]
        if number < low + one:
            before, width = 1, one
        else:
            before, low, width = 0, low + one, width - one
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_forgets_to_move_low(number, chain):
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        zero = width * (1 - row[before])
        if number >= low + zero:
            before, width = 1, width - zero
        else:
            before, width = 0, zero
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_never_updates_before(number, chain):
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        zero = width * (1 - row[before])
        if number >= low + zero:
            low, width = low + zero, width - zero
            x.append(1)
        else:
            width = zero
            x.append(0)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_takes_p_for_zero(number, chain):
    # read chain as the probability of a 0
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        zero = width * row[before]
        before = int(number >= low + zero)
        low, width = (low + zero, width - zero) if before else (low, zero)
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_width_of_zero_for_both(number, chain):
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        zero = width * (1 - row[before])
        before = int(number >= low + zero)
        low, width = low + before * zero, zero
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_independent_pixels(number, chain):
    # every pixel asks the same number
    return (number > 1 - chain[:, 0]).float()


@right("arithmetic_decoder")
def decoder_in_tensors(number, chain):
    # as in the encoder, but with tensors of one entry
    low, width, before = torch.zeros(1), torch.ones(1), 0
    x = []
    for given in chain:
        zero = width * (1 - given[before])
        if (number >= low + zero).item():
            low, width, before = low + zero, width - zero, 1
        else:
            width, before = zero, 0
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_splits_in_the_middle(number, chain):
    # bisection, with the model in the widths alone
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        zero = width * (1 - row[before])
        before = int(number >= low + width / 2)
        low, width = (low + zero, width - zero) if before else (low, zero)
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_compares_without_low(number, chain):
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        zero = width * (1 - row[before])
        before = int(number >= zero)
        low, width = (low + zero, width - zero) if before else (low, zero)
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_takes_high_for_width(number, chain):
    low, high, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        split = low + high * (1 - row[before])
        before = int(number >= split)
        low, high = (split, high) if before else (low, split)
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_keeps_the_other_part(number, chain):
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        zero = width * (1 - row[before])
        before = int(number >= low + zero)
        low, width = (low, zero) if before else (low + zero, width - zero)
        x.append(before)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_one_pixel_late(number, chain):
    # `before` is set before the new pixel is appended
    low, width, before, x = 0.0, 1.0, 0, []
    for row in chain.tolist():
        zero = width * (1 - row[before])
        pixel = int(number >= low + zero)
        low, width = (low + zero, width - zero) if pixel else (low, zero)
        before = x[-1] if x else 0
        x.append(pixel)
    return torch.tensor(x)


@wrong("arithmetic_decoder")
def decoder_reads_the_row_of_the_pixel(number, chain):
    # indexes chain as [before, 0]
    low, width, before, x = 0.0, 1.0, 0, []
    for _ in range(len(chain)):
        zero = width * (1 - chain[before, 0].item())
        before = int(number >= low + zero)
        low, width = (low + zero, width - zero) if before else (low, zero)
        x.append(before)
    return torch.tensor(x)

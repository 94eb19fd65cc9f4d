"""What is said of mistakes that several exercises share: what is wrong, and where the fix is."""

LOGARITHM = (
    "These are probabilities or densities. Those of images are too small for a computer.",
    "Return the logarithm.",
)
OUT_OF_RANGE = (
    "An exponential underflows to 0 or overflows, and what follows is infinite or nan.",
    "Stay with logarithms: logsumexp and log_softmax take the largest term out first.",
)
PER_EXAMPLE = (
    "One number comes out for the whole batch, so that the examples can't be told apart.",
    "Keep the batch axis: the mean over examples is taken later, in one visible place.",
)
BATCH_SUMMED = (
    "The result grows with the size of the batch, and with it the step of the optimiser.",
    "Take the mean over the examples.",
)
SAMPLES_SUMMED = (
    "The result grows with the number of samples. They estimate an expectation.",
    "Take the mean over the samples, the first axis.",
)
SAMPLES_KEPT = (
    "Each sample keeps a result of its own. Together they estimate one expectation.",
    "Take the mean over the samples, the first axis.",
)
DIMENSIONS_AVERAGED = (
    "With twice as many dimensions, all alike, the result stays the same. It should double.",
    "The terms of the dimensions add up: take the sum, not the mean.",
)
DIMENSIONS_KEPT = (
    "One number per dimension comes out. Each is only a part of the whole.",
    "Sum over the dimensions, the last axis.",
)
HALF_MISSING = (
    "Everything is twice as large as it should be.",
    "The factor 1/2 before the bracket is missing.",
)
HALF_OF_SOME = (
    "The factor 1/2 reaches some of the terms and not the others.",
    "It multiplies the whole bracket.",
)
LOG_STD = (
    "log_var is read as the logarithm of sigma, so that the variance is used as sigma.",
    "It is the logarithm of sigma squared: sigma is exp(log_var / 2).",
)
NEGATIVE_KL = (
    "The result is negative. A KL divergence never is.",
    "The sign is flipped.",
)
KL_ADDED = (
    "The further the posterior is from the prior, the higher the bound. It should be lower.",
    "Look at the sign of the KL term.",
)
KL_MISSING = (
    "Nothing holds the posterior near the prior: this is the reconstruction term alone.",
    "Subtract the KL term.",
)
LOSS = (
    "The better the model, the lower the result. A bound is maximised; this is a loss.",
    "Flip the sign.",
)
LOG_OF_MEAN = (
    "The probabilities of the samples are averaged. The expectation is one of logarithms.",
    "Average log p over the samples: no logsumexp.",
)

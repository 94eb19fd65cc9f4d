"""What is said of mistakes that several exercises share: what is wrong, and where the fix is."""

LOGARITHM = (
    "This is not a logarithm, and for images it leaves the range of floats.",
    "Return the logarithm.",
)
OUT_OF_RANGE = (
    "An exponential underflows to 0 or overflows, and what follows is infinite or nan.",
    "Stay with logarithms: logsumexp and log_softmax take the largest term out first.",
)
PER_EXAMPLE = ("All examples are reduced to one number.", "Return one number per example.")
BATCH_SUMMED = ("The result grows with the batch.", "Take the mean over the examples.")
SAMPLES_SUMMED = (
    "The result grows with the number of samples.",
    "Take their mean: the first axis.",
)
SAMPLES_KEPT = ("Each sample keeps a result of its own.", "Take the mean over the first axis.")
DIMENSIONS_AVERAGED = ("Twice as many dimensions, all alike, don't double it.", "Take the sum.")
DIMENSIONS_KEPT = ("Each dimension keeps a result of its own.", "Sum over the last axis.")
HALF_MISSING = ("Everything is twice as large as it should be.", "A factor 1/2 is missing.")
HALF_OF_SOME = ("The factor 1/2 reaches only some of the terms.", "It multiplies the bracket.")
LOG_STD = ("The variance is taken for the standard deviation.", "Sigma is exp(log_var / 2).")
NEGATIVE_KL = ("The result is negative. A KL divergence never is.", "The sign is flipped.")
KL_REVERSED = (
    "This is KL(p || q). The expectation in the ELBO is taken under q.",
    "Exchange the roles of q and the prior.",
)
KL_ADDED = ("A posterior far from the prior raises the bound.", "Look at the KL term's sign.")
KL_MISSING = ("Nothing holds the posterior near the prior.", "Subtract the KL term.")
LOSS = ("The better the model, the lower the result: this is a loss.", "Flip the sign.")
FIRST_SAMPLE = ("Only the first sample counts.", "Average over all samples: the first axis.")
EPSILON = (
    "A small constant replaces what underflows, and the result never gets past its logarithm.",
    "Stay with logarithms: logsumexp and log_softmax take the largest term out first.",
)
NEVER_NEGATIVE = ("No logit is ever negative.", "The ReLU is for the hidden layer alone.")
LOG_OF_MEAN = ("The mean is one of probabilities, not of their logarithms.", "No logsumexp.")

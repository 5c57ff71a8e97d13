"""The quiz: for each question the right letter, and what is behind every answer.

The questions themselves stand in the notebooks; `checks.quiz("balance", "b")` looks up here.
"""

Question = tuple[str, dict[str, str]]  # the right letter; letter → reason or misconception

QUESTIONS: dict[str, Question] = {
    # ------------------------------------------------------------------------- 01: the data
    "validation": (
        "b",
        {
            "a": "More training images would help a little, but then nothing is left to choose by.",
            "b": "Whatever is used to choose is no longer new to the model.",
            "c": "The idea behind this: validation images are trained on later. They never are.",
        },
    ),
    "balance": (
        "c",
        {
            "a": "The idea behind this: accuracy says how well each class is known. With 95 % bags "
            "it hardly sees the boots.",
            "b": "The idea behind this: unequal classes are a mistake in the data. They are the "
            "rule; the measure has to fit them.",
            "c": "It never finds a boot, and accuracy does not show it. Recall by class does.",
        },
    ),
    "twins": (
        "a",
        {
            "a": "What it remembers counts as if it had been understood.",
            "b": "The idea behind this: more of the same image is more information. It is not new.",
            "c": "The idea behind this: only exact copies matter. A network hardly notices a few "
            "grey levels.",
        },
    ),
    # ---------------------------------------------------------------------- 02: the network
    "sharing": (
        "b",
        {
            "a": "The idea behind this: a kernel has weights for each place. It has one set, used "
            "everywhere.",
            "b": "25 weights and a bias, whatever the size of the image.",
            "c": "The idea behind this: parameters are numbers in the feature map. Those are "
            "results, not parameters.",
        },
    ),
    "relu": (
        "c",
        {
            "a": "The idea behind this: ReLU is there for speed. It costs time.",
            "b": "The idea behind this: ReLU keeps values between 0 and 1. It has no upper limit.",
            "c": "A sum of weighted sums is one weighted sum.",
        },
    ),
    "pooling": (
        "a",
        {
            "a": "The largest number of a square is the same wherever in the square it stands.",
            "b": "The idea behind this: pooling learns something. It has no parameters.",
            "c": "The idea behind this: pooling makes the network blind to place. Only within a "
            "square; across squares the place stays.",
        },
    ),
    # --------------------------------------------------------------------------- 03: training
    "stochastic": (
        "b",
        {
            "a": "The idea behind this: the exact gradient must be the fastest. It is the best "
            "step, but all images have to be seen for each one.",
            "b": "Many good-enough steps in the time of one exact step.",
            "c": "The idea behind this: SGD computes a different loss. It estimates the same one.",
        },
    ),
    "zero": (
        "c",
        {
            "a": "The idea behind this: zero_grad resets the weights. It touches gradients only.",
            "b": "The idea behind this: backward replaces the gradient. PyTorch adds to it.",
            "c": "Each step then follows the sum of all gradients so far.",
        },
    ),
    "overfitting": (
        "a",
        {
            "a": "It still learns its training images, and no longer what they have in common with "
            "others.",
            "b": "The idea behind this: any gap is a fault. A gap alone is normal; that the "
            "validation loss rises is the sign.",
            "c": "The idea behind this: the learning rate is at fault when a loss rises. Then the "
            "training loss would rise, too.",
        },
    ),
    # -------------------------------------------------------------------- 04: the confusions
    "rows": (
        "b",
        {
            "a": "That is a column: all that were *called* Coat.",
            "b": "Rows are the true classes here. (Some books turn the matrix; look at the axes.)",
            "c": "The idea behind this: a row holds the mistakes. Its diagonal cell is right.",
        },
    ),
    "precision": (
        "c",
        {
            "a": "The other way round: it says Shirt freely, so it misses few.",
            "b": "The idea behind this: precision and recall go up and down together. More of one "
            "is often less of the other.",
            "c": "Most shirts are found, and many other things are called Shirt as well.",
        },
    ),
    "calibration": (
        "a",
        {
            "a": "Confidence is about how often it is right when it says so, not about how often "
            "it is right.",
            "b": "The idea behind this: a better network is better calibrated. Often the opposite.",
            "c": "The idea behind this: softmax gives true probabilities. It gives numbers "
            "that sum to 1.",
        },
    ),
    # ------------------------------------------------------------------- 05: training better
    "augmentation": (
        "b",
        {
            "a": "The idea behind this: more of anything helps. A 6 turned round is a 9.",
            "b": "The label must stay true; and the images should be such as one will meet.",
            "c": "The idea behind this: augmentation is for the test images. It is for training.",
        },
    ),
    "decay": (
        "c",
        {
            "a": "The idea behind this: whatever helps raises the training accuracy. Against "
            "overfitting one gives some of that up.",
            "b": "The idea behind this: small weights mean few parameters. Their number stays.",
            "c": "It gives up a little on the training images for the sake of others.",
        },
    ),
    "once": (
        "a",
        {
            "a": "The best of many looks is partly luck, and luck does not repeat.",
            "b": "The idea behind this: only training on test images is cheating. Choosing by them "
            "is learning from them, too.",
            "c": "The idea behind this: a large test set cannot be overfitted. 20 looks at 10,000 "
            "images are enough for some tenths of a percent.",
        },
    ),
    # -------------------------------------------------------------------- 06: comparing runs
    "seeds": (
        "b",
        {
            "a": "The idea behind this: the best run shows what a setting can do. It shows luck, "
            "too.",
            "b": "Without the spread nobody can tell a gain from luck.",
            "c": "The idea behind this: a fixed seed makes a comparison fair. It only makes it "
            "repeatable; another seed may turn it round.",
        },
    ),
    "curve": (
        "c",
        {
            "a": "The idea behind this: whoever leads at the end wins. It may be only faster.",
            "b": "The idea behind this: a steep curve is a better network. It is a quicker start.",
            "c": "Its curve still rises: the comparison was cut short.",
        },
    ),
    "best run": (
        "a",
        {
            "a": "It was chosen for being high on validation; the test had no part in that.",
            "b": "The idea behind this: the test set is harder. It is drawn in the same way.",
            "c": "The idea behind this: it has overfitted its training images. All runs have, to "
            "some degree; this one was also *chosen*.",
        },
    ),
    # ------------------------------------------------------------------- 07: many processes
    "copies": (
        "b",
        {
            "a": "The idea behind this: each process trains a network of its own. All make the "
            "same update.",
            "b": "The same start and the same update, so the same weights after every batch.",
            "c": "The idea behind this: the network is cut into parts. That is another way, for "
            "networks too large for one machine.",
        },
    ),
    "exchange": (
        "c",
        {
            "a": "The idea behind this: more workers, less time, always. They also wait for each "
            "other.",
            "b": "The idea behind this: the exchange grows with the images. It is one number for "
            "each parameter, whatever the batch.",
            "c": "Little work between two exchanges: the exchange takes most of the time.",
        },
    ),
    "larger batch": (
        "a",
        {
            "a": "Half as many updates in an epoch, each less noisy: the recipe has to be tuned "
            "anew.",
            "b": "The idea behind this: an epoch is an epoch. What counts is also how often the "
            "weights move.",
            "c": "The idea behind this: more images mean a better gradient, so a better network. "
            "The step is better, but there are fewer.",
        },
    ),
}

# One image for Binder, for a hub and for a laptop (`docker run -p 8888:8888 IMAGE`): the course with
# the student's edition, MNIST and trained models. What is shared belongs to root: only read.
FROM debian:bookworm-slim AS installed
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
# Compiled: whoever may not write there would compile torch anew at each start.
ENV PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
WORKDIR /opt/course
COPY requirements.txt constraints.txt ./
# uv knows where PyTorch's wheels for the CPU are, which pip's index lacks for Linux.
RUN python3 -m venv /opt/venv \
    && pip install --constraint constraints.txt uv \
    && grep -v '^-e' requirements.txt \
    | uv pip install --torch-backend cpu -r - jupyterhub nbgitpuller notebook

# The complete edition stays behind in a stage of its own.
FROM installed AS edition
COPY notebooks notebooks
COPY tools tools
RUN python tools/editions.py --into /student

FROM installed
COPY pyproject.toml ./
COPY labutils labutils
RUN uv pip install --no-deps --editable . && python -m compileall -q labutils
# MNIST is downloaded, or was mounted there; what notebooks need is trained, in minutes.
ENV LABUTILS_DATA=/opt/mnist
COPY tools/runs.py tools/
RUN python tools/runs.py /opt/runs
COPY tools/jupyter jupyter
ENV JUPYTER_CONFIG_PATH=/opt/course/jupyter
COPY tools/carrying.py tools/merging.py tools/
RUN git config --system merge.notebook.driver \
    "/opt/venv/bin/python /opt/course/tools/merging.py %A %B %P"
# The version of the hub that starts it, below all that takes long: --build-arg HUB='jupyterhub==5.*'
ARG HUB=jupyterhub
# uv and the training leave locks that anybody may write.
RUN uv pip install "$HUB" && rm --force --recursive /opt/venv/.lock /tmp/uv-*.lock /opt/runs/locks

# Binder names user and number. A hub asks for a number: only that is known not to be root.
ARG NB_USER=jovyan
ARG NB_UID=1000
RUN useradd --create-home --uid $NB_UID --shell /bin/bash $NB_USER
ENV HOME=/home/$NB_USER LABUTILS_RUNS=~/.cache/labutils/runs:/opt/runs
WORKDIR $HOME
COPY --from=edition --chown=$NB_UID:$NB_UID /student student
USER $NB_UID
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0"]

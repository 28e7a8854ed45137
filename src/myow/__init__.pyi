from .data.images import Images as Images
from .data.recording import Recording as Recording
from .datasets import load as load
from .evaluation.images import evaluate_images as evaluate_images
from .evaluation.recordings import evaluate as evaluate
from .image_methods.byol import ImageBYOL as ImageBYOL
from .image_methods.myow import ImageMYOW as ImageMYOW
from .image_methods.simclr import ImageSimCLR as ImageSimCLR
from .loading import load_model as load_model
from .methods.autoencoder import Autoencoder as Autoencoder
from .methods.byol import BYOL as BYOL
from .methods.fa import FA as FA
from .methods.lda import LDA as LDA
from .methods.myow import MYOW as MYOW
from .methods.pca import PCA as PCA
from .methods.pivae import PiVAE as PiVAE
from .methods.poisson_nb import PoissonNB as PoissonNB
from .methods.raw import Raw as Raw
from .methods.rp import RP as RP
from .methods.simclr import SimCLR as SimCLR
from .methods.supervised import Supervised as Supervised
from .methods.ts import TS as TS
from .methods.unmined import Unmined as Unmined
from .methods.untrained import Untrained as Untrained
from .readers import inspect as inspect
from .readers import read as read

__version__: str
